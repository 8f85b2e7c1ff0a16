//! Text as it stands in a page: nothing in it is taken for markup, and nothing shows it other than
//! it is. Every value of every template goes through this (`askama.toml`).

use std::fmt;

use askama::filters::{Escaper, Html};

use crate::protocol::metainfo::text::is_misleading;

/// As HTML, in text and in quoted attributes. Characters that turn the direction of a text or that
/// nobody sees become U+FFFD; ends of lines and tabs stay.
#[derive(Clone, Copy, Debug, Default)]
pub struct Page;

impl Escaper for Page {
    fn write_escaped_str<W: fmt::Write>(&self, mut to: W, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(place) = rest.find(is_hidden) {
            Html.write_escaped_str(&mut to, &rest[..place])?;
            to.write_char(char::REPLACEMENT_CHARACTER)?;
            let mut chars = rest[place..].chars();
            chars.next();
            rest = chars.as_str();
        }
        Html.write_escaped_str(to, rest)
    }
}

fn is_hidden(c: char) -> bool {
    is_misleading(c) && !['\n', '\r', '\t'].contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text_and_what_misleads_is_seen() {
        let shown = |text: &str| {
            let mut page = String::new();
            Page.write_escaped_str(&mut page, text).unwrap();
            page
        };
        assert_eq!(
            shown("a <b> \"c\" 'd' &\n\te"),
            "a &#60;b&#62; &#34;c&#34; &#39;d&#39; &#38;\n\te"
        );
        assert_eq!(shown("\u{202e}gpj.exe\u{7}\0"), "\u{fffd}gpj.exe\u{fffd}\u{fffd}");
        assert_eq!(shown("שלום\u{200f}"), "שלום\u{200f}");
    }
}
