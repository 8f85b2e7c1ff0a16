//! An upload of many .torrent files, read as it comes in: one file is in memory at a time, whatever
//! a request claims to hold. A file that is refused is named with its reason and the next one is
//! read.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use hyper::body::{Frame, SizeHint};
use multer::{Field, Multipart};

use crate::protocol::metainfo::TorrentError;
use crate::protocol::metainfo::text::{NAME_CHARS_MAX, shown};

/// The field with the files.
const FILES: &str = "torrent";
/// Longest value of a field that is no file, in bytes.
const VALUE_BYTES_MAX: usize = 4 * 1024;
/// Most fields that are no files; the form has three.
const VALUES_MAX: usize = 16;
/// Bytes that may come in while neither a file nor a value gets longer: the head of a part, which
/// has no end of its own, and what the sockets hand over at once.
const UNREAD_MAX: usize = 1 << 20;

/// How much an upload may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of the request's body.
    pub body_bytes_max: usize,
    /// Files.
    pub files_max: usize,
    /// Bytes of one file.
    pub file_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { body_bytes_max: 100 << 20, files_max: 1_000, file_bytes_max: 10 << 20 }
    }
}

/// A piece of an upload.
#[derive(Debug)]
pub enum Part {
    /// A field that is no file.
    Value {
        /// What it is called.
        name: String,
        /// What was given.
        value: String,
    },
    /// A file of the form's field for files.
    File {
        /// What it is called at home: one line, of no further meaning.
        file_name: String,
        /// What is in it.
        content: Result<Vec<u8>, Refused>,
    },
}

/// Why a file was not registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Longer than [`Bounds::file_bytes_max`], which it carries.
    TooLarge(usize),
    /// One more than [`Bounds::files_max`], which it carries.
    TooMany(usize),
    /// Nothing in it.
    Empty,
    /// It is no .torrent.
    NotTorrent(TorrentError),
    /// Its torrent is registered already.
    Duplicate,
}

/// Why reading stops. Files before this are unharmed.
#[derive(Debug)]
pub enum Broken {
    /// More bytes than [`Bounds::body_bytes_max`], which it carries.
    TooLarge(usize),
    /// It is no form with files, or ends in the middle.
    Unreadable(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::TooLarge(max) => write!(f, "larger than {} MiB", max >> 20),
            Refused::TooMany(max) => write!(f, "more than {max} files in one upload"),
            Refused::Empty => f.write_str("the file is empty"),
            Refused::NotTorrent(error) => write!(f, "not a valid .torrent: {error}"),
            Refused::Duplicate => f.write_str("already registered"),
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::TooLarge(max) => write!(
                f,
                "an upload may have {} MiB in all; send the files in several uploads",
                max >> 20
            ),
            Broken::Unreadable(fault) => write!(f, "the upload broke off: {fault}"),
        }
    }
}

impl std::error::Error for Broken {}

impl Broken {
    /// The status to answer with.
    pub fn status(&self) -> StatusCode {
        match self {
            Broken::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Broken::Unreadable(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// An upload on its way in.
#[derive(Debug)]
pub struct Reception {
    multipart: Multipart<'static>,
    bounds: Bounds,
    meter: Arc<Meter>,
    files: usize,
    values: usize,
}

impl Reception {
    /// Begins to read the body of `request`.
    ///
    /// # Errors
    /// [`Broken`], when it says beforehand that it is too large, or is no form with files.
    pub fn begin(request: Request, bounds: Bounds) -> Result<Reception, Broken> {
        let header = |name: HeaderName| request.headers().get(name)?.to_str().ok();
        let length = header(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length > bounds.body_bytes_max as u64) {
            return Err(Broken::TooLarge(bounds.body_bytes_max));
        }
        let meter = Arc::new(Meter::default());
        let boundary = multer::parse_boundary(header(CONTENT_TYPE).unwrap_or_default())
            .map_err(|error| Broken::Unreadable(error.to_string()))?;
        let inner = request.into_body();
        let body = Body::new(Metered { inner, bounds, meter: meter.clone() });
        let multipart = Multipart::new(body.into_data_stream(), boundary);
        Ok(Reception { multipart, bounds, meter, files: 0, values: 0 })
    }

    /// The next part, in the order of the form; `None` at the end. Other fields with files are
    /// passed over.
    ///
    /// # Errors
    /// [`Broken`]; nothing more is to be had then.
    pub async fn next(&mut self) -> Result<Option<Part>, Broken> {
        loop {
            self.meter.unread.store(0, Ordering::Relaxed);
            let field = match self.multipart.next_field().await {
                Ok(Some(field)) => field,
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.meter.fault(self.bounds, &error)),
            };
            // What a browser sends of a file that was not chosen has no name.
            let is_file = field.file_name().is_some_and(|name| !name.is_empty());
            let Some(name) = field.name().map(str::to_owned) else { continue };
            if is_file && name == FILES {
                let file_name = shown(field.file_name().unwrap_or_default().as_bytes());
                let file_name = file_name.chars().take(NAME_CHARS_MAX).collect();
                self.files += 1;
                let content = self.meter.read_file(field, self.bounds, self.files).await?;
                return Ok(Some(Part::File { file_name, content }));
            }
            if !is_file {
                self.values += 1;
                if self.values > VALUES_MAX {
                    return Err(Broken::Unreadable("the form has too many fields".to_owned()));
                }
                let value = self.meter.read(field, self.bounds, VALUE_BYTES_MAX).await?;
                let value = String::from_utf8(value.unwrap_or_default()).unwrap_or_default();
                return Ok(Some(Part::Value { name, value }));
            }
        }
    }
}

/// Bytes that came in. Shared by the body and its reader, which take turns; relaxed for that.
#[derive(Debug, Default)]
struct Meter {
    all: AtomicUsize,
    /// Those since a file or value got longer.
    unread: AtomicUsize,
}

impl Meter {
    /// The `number`th file, or why it is none; it is read to its end either way.
    async fn read_file(
        &self,
        field: Field<'static>,
        bounds: Bounds,
        number: usize,
    ) -> Result<Result<Vec<u8>, Refused>, Broken> {
        let is_over = number > bounds.files_max;
        let keep_max = if is_over { 0 } else { bounds.file_bytes_max };
        let content = self.read(field, bounds, keep_max).await?;
        Ok(match content {
            _ if is_over => Err(Refused::TooMany(bounds.files_max)),
            None => Err(Refused::TooLarge(bounds.file_bytes_max)),
            Some(content) if content.is_empty() => Err(Refused::Empty),
            Some(content) => Ok(content),
        })
    }

    /// Reads a field to its end; `None` if it has more than `bytes_max`, of which none is kept.
    async fn read(
        &self,
        mut field: Field<'static>,
        bounds: Bounds,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, Broken> {
        let mut content = Some(Vec::new());
        loop {
            self.unread.store(0, Ordering::Relaxed);
            let chunk = match field.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(content),
                Err(error) => return Err(self.fault(bounds, &error)),
            };
            content = content.filter(|content| content.len() + chunk.len() <= bytes_max);
            if let Some(content) = &mut content {
                content.extend_from_slice(&chunk);
            }
        }
    }

    fn fault(&self, bounds: Bounds, error: &multer::Error) -> Broken {
        if self.all.load(Ordering::Relaxed) > bounds.body_bytes_max {
            return Broken::TooLarge(bounds.body_bytes_max);
        }
        if self.unread.load(Ordering::Relaxed) > UNREAD_MAX {
            return Broken::Unreadable("the head of a part is too long".to_owned());
        }
        Broken::Unreadable(error.to_string())
    }
}

/// A body that fails once it has more than the bounds allow.
#[derive(Debug)]
struct Metered {
    inner: Body,
    bounds: Bounds,
    meter: Arc<Meter>,
}

impl hyper::body::Body for Metered {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let all = self.meter.all.fetch_add(length, Ordering::Relaxed) + length;
            let unread = self.meter.unread.fetch_add(length, Ordering::Relaxed) + length;
            if all > self.bounds.body_bytes_max {
                return Poll::Ready(Some(Err("the body is too large".into())));
            }
            if unread > UNREAD_MAX {
                return Poll::Ready(Some(Err("the head of a part is too long".into())));
            }
        }
        polled.map_err(Into::into)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests;
