//! What a form brought, as text.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::Error;

/// The field with what shows that a form is ours.
pub const CSRF_FIELD: &str = "_csrf";
/// Bytes of a form without files.
pub const BYTES_MAX: usize = 64 * 1024;
/// Fields of it; the largest has some forty.
const FIELDS_MAX: usize = 200;

/// The fields of a form, in the order they came. The gate has read it and knows that it is ours.
#[derive(Clone, Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// From `application/x-www-form-urlencoded`. What is no UTF-8 is replaced.
    pub fn decode(body: &[u8]) -> Form {
        let fields = url::form_urlencoded::parse(body).take(FIELDS_MAX);
        Form(fields.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// A field as it was typed; empty where there is none. Of several the last.
    pub fn raw(&self, name: &str) -> &str {
        let found = self.0.iter().rev().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// A field without the space around it.
    pub fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// Whether a box is ticked.
    pub fn is_on(&self, name: &str) -> bool {
        ["1", "on"].contains(&self.raw(name))
    }

    /// A whole number, as ids are.
    ///
    /// # Errors
    /// [`Error::BadRequest`] when it is none: our pages send no such.
    pub fn number(&self, name: &'static str) -> Result<i64, Error> {
        self.text(name).parse().map_err(|_| Error::BadRequest("A number in the form is none."))
    }

    /// Every value of a field that may come several times.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl<S: Sync> FromRequestParts<S> for Form {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Form, Error> {
        parts.extensions.remove::<Form>().ok_or(Error::BadRequest("There is no form in this."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_as_browsers_send_them() {
        let form = Form::decode(b"a=+x%20&a=y&box=on&n=12&bad=%ff&empty=");
        assert_eq!((form.raw("a"), form.text("a"), form.text("empty")), ("y", "y", ""));
        assert_eq!(form.all("a").collect::<Vec<_>>(), [" x ", "y"]);
        assert!(form.is_on("box") && !form.is_on("none"));
        assert_eq!(form.number("n").unwrap(), 12);
        assert!(form.number("a").is_err() && form.number("none").is_err());
        assert_eq!(form.raw("bad"), "\u{fffd}");
        let many = "x=1&".repeat(FIELDS_MAX + 5);
        assert_eq!(Form::decode(many.as_bytes()).all("x").count(), FIELDS_MAX);
    }
}
