//! Why a server cannot start.

use std::fmt;
use std::io;

use super::owner::OwnerError;
use crate::jobs::reload_lists::BadList;
use crate::net::Refused;
use crate::net::bind::BindError;
use crate::net::inherit::InheritError;
use crate::net::tls::TlsError;
use crate::state::StateError;

/// Why a server cannot start. Nothing is left running or listening.
#[derive(Debug)]
pub enum StartError {
    /// A port cannot be had.
    Bind(BindError),
    /// The sockets that a service manager handed over cannot be served.
    Inherit(InheritError),
    /// The certificate or key is of no use.
    Tls(TlsError),
    /// The swarms of the last run cannot be read, or those of this one not be written.
    State(StateError),
    /// A list of torrents is none.
    List(BadList),
    /// The database of the members' site cannot be used.
    Database(String),
    /// The members' site has no owner.
    Owner(OwnerError),
    /// A certificate of our own cannot be made.
    SelfSigned(io::Error),
    /// io_uring was asked for and is not to be had.
    Io(Refused),
    /// The system gave no thread, event queue, signal handler or randomness.
    System(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Bind(error) => error.fmt(f),
            StartError::Inherit(error) => error.fmt(f),
            StartError::Tls(error) => error.fmt(f),
            StartError::State(error) => error.fmt(f),
            StartError::List(error) => error.fmt(f),
            StartError::Database(fault) => f.write_str(fault),
            StartError::Owner(error) => error.fmt(f),
            StartError::SelfSigned(error) => {
                write!(f, "--tls-self-signed: no certificate can be made: {error}")
            }
            StartError::Io(refused) => {
                write!(f, "{refused}. Or leave out --io uring, to run on epoll")
            }
            StartError::System(error) => {
                write!(f, "the system refuses what a server needs: {error}")
            }
        }
    }
}

impl std::error::Error for StartError {}

impl From<BindError> for StartError {
    fn from(error: BindError) -> StartError {
        StartError::Bind(error)
    }
}

impl From<InheritError> for StartError {
    fn from(error: InheritError) -> StartError {
        StartError::Inherit(error)
    }
}

impl From<TlsError> for StartError {
    fn from(error: TlsError) -> StartError {
        StartError::Tls(error)
    }
}

impl From<StateError> for StartError {
    fn from(error: StateError) -> StartError {
        StartError::State(error)
    }
}

impl From<BadList> for StartError {
    fn from(error: BadList) -> StartError {
        StartError::List(error)
    }
}

impl From<Refused> for StartError {
    fn from(refused: Refused) -> StartError {
        StartError::Io(refused)
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> StartError {
        StartError::System(error)
    }
}
