//! TLS of one connection: what came in is decrypted where it lies, what goes out is encrypted
//! straight into the buffer that is sent.

use std::sync::Arc;

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, InsufficientSizeError,
    UnbufferedStatus,
};
use rustls::{Error, ServerConfig};

/// What TLS adds to a record at most: header 5, nonce 8, type 1, tag 16.
const RECORD_OVERHEAD: usize = 30;
/// Bytes of a record's content at most (RFC 8446, 5.1).
const RECORD_MAX: usize = 1 << 14;
/// What a client may send without completing anything: the longest handshake message that rustls
/// takes, and a record.
const INCOMING_MAX: usize = (1 << 16) + RECORD_MAX + 1024;

/// One end of a TLS connection.
pub struct Session {
    tls: UnbufferedServerConnection,
    /// The part of a record that has come.
    incoming: Vec<u8>,
    has_shaken_hands: bool,
}

impl Session {
    /// One that waits for the client to begin.
    ///
    /// # Errors
    /// When `config` is of no use.
    pub fn new(config: Arc<ServerConfig>) -> Result<Session, Error> {
        let tls = UnbufferedServerConnection::new(config)?;
        Ok(Session { tls, incoming: Vec::new(), has_shaken_hands: false })
    }

    /// Whether the handshake is complete.
    pub fn has_shaken_hands(&self) -> bool {
        self.has_shaken_hands
    }

    /// Whether part of a record has come and the rest has not.
    pub fn is_amid_record(&self) -> bool {
        !self.incoming.is_empty()
    }

    /// Takes what has `arrived`, appends what the client said to `plain`, and what TLS itself has
    /// to say to `out`. Tells whether the client has said that no more comes.
    ///
    /// # Errors
    /// When the client does not speak TLS as it should; `out` then ends with the alert for it.
    pub fn hear(
        &mut self,
        arrived: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<bool, Error> {
        let heard = if self.incoming.is_empty() {
            let heard = self.process(arrived, plain, out);
            if let Ok((used, _)) = heard {
                self.incoming.extend_from_slice(&arrived[used..]);
            }
            heard
        } else {
            let mut incoming = std::mem::take(&mut self.incoming);
            incoming.extend_from_slice(arrived);
            let heard = self.process(&mut incoming, plain, out);
            if let Ok((used, _)) = heard {
                incoming.drain(..used);
            }
            self.incoming = incoming;
            if self.incoming.is_empty() {
                self.incoming = Vec::new(); // most connections are silent most of the time
            }
            heard
        };
        if self.incoming.len() > INCOMING_MAX {
            return Err(Error::General("a message without end".to_owned()));
        }
        heard.map(|(_, is_closed)| is_closed).inspect_err(|_| {
            // A second error tells nothing that the first did not.
            let _ = self.process(&mut [], plain, out);
        })
    }

    /// How many of `bytes` were used, and whether the client has closed.
    fn process(
        &mut self,
        bytes: &mut [u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<(usize, bool), Error> {
        let (mut used, mut is_closed) = (0, false);
        loop {
            let UnbufferedStatus { mut discard, state, .. } =
                self.tls.process_tls_records(&mut bytes[used..]);
            let mut is_done = false;
            match state? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        plain.extend_from_slice(record.payload);
                    }
                }
                ConnectionState::EncodeTlsData(message) => encode(message, out)?,
                ConnectionState::TransmitTlsData(message) => message.done(),
                ConnectionState::PeerClosed => is_closed = true,
                ConnectionState::WriteTraffic(_) => {
                    self.has_shaken_hands = true;
                    is_done = true;
                }
                ConnectionState::Closed => (is_closed, is_done) = (true, true),
                _ => is_done = true, // no early data is offered; what is left waits for more
            }
            used += discard;
            if is_done {
                return Ok((used, is_closed));
            }
        }
    }

    /// Appends `plain` to `out`, encrypted.
    ///
    /// # Errors
    /// When the connection cannot carry it: before the handshake's end, or after its own.
    pub fn encrypt(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        if plain.is_empty() {
            return Ok(());
        }
        let records = plain.len().div_ceil(RECORD_MAX);
        let room = plain.len() + records * RECORD_OVERHEAD;
        self.write(room, out, |tls, room| match tls.process_tls_records(&mut []).state? {
            ConnectionState::WriteTraffic(mut traffic) => Ok(traffic.encrypt(plain, room)),
            _ => Err(Error::HandshakeNotComplete),
        })
    }

    /// Appends to `out` that no more comes.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        // A connection that cannot say it is closed without.
        let _ = self.write(RECORD_OVERHEAD + 2, out, |tls, room| {
            match tls.process_tls_records(&mut []).state? {
                ConnectionState::WriteTraffic(mut traffic) => Ok(traffic.queue_close_notify(room)),
                _ => Err(Error::HandshakeNotComplete),
            }
        });
    }

    /// Has `write` fill as much room behind `out` as it needs, for which `room` is a guess.
    fn write(
        &mut self,
        mut room: usize,
        out: &mut Vec<u8>,
        write: impl Fn(
            &mut UnbufferedServerConnection,
            &mut [u8],
        ) -> Result<Result<usize, EncryptError>, Error>,
    ) -> Result<(), Error> {
        let start = out.len();
        loop {
            out.resize(start + room, 0);
            match write(&mut self.tls, &mut out[start..]) {
                Ok(Ok(length)) => {
                    out.truncate(start + length);
                    return Ok(());
                }
                Ok(Err(EncryptError::InsufficientSize(InsufficientSizeError {
                    required_size,
                }))) if required_size > room => {
                    room = required_size;
                }
                failed => {
                    out.truncate(start);
                    return Err(failed.err().unwrap_or(Error::EncryptError));
                }
            }
        }
    }
}

fn encode<Data>(mut message: EncodeTlsData<'_, Data>, out: &mut Vec<u8>) -> Result<(), Error> {
    let start = out.len();
    match message.encode(&mut []) {
        Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
            out.resize(start + required_size, 0);
        }
        Ok(_) => return Ok(()),
        Err(EncodeError::AlreadyEncoded) => return Err(Error::EncryptError),
    }
    message.encode(&mut out[start..]).map_err(|_| Error::EncryptError)?;
    Ok(())
}
