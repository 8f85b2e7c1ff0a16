//! The forms of a page, as a browser would send them. Our pages alone are read by this: they are
//! well formed.

use std::collections::BTreeMap;

/// A form that was filled in with what it came with.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Where it goes.
    pub action: String,
    /// By POST.
    pub is_post: bool,
    /// It brings files.
    pub has_files: bool,
    /// Names and values, but for the token.
    pub fields: Vec<(String, String)>,
}

impl Sent {
    /// What tells it from others: where it goes, with which fields.
    pub fn kind(&self) -> String {
        let names: Vec<_> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        // Each card of the settings has other fields, and each row of a list the same.
        format!("{} {} {}", self.is_post, self.action, names.join(" "))
    }
}

pub type Attributes = BTreeMap<String, String>;

/// The tags of a page with their attributes, and for a `textarea` what is in it.
pub fn tags(html: &str) -> Vec<(String, Attributes)> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let length = rest.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(rest.len());
        let name = rest[..length].to_owned();
        rest = &rest[length..];
        let mut attributes = Attributes::new();
        loop {
            rest = rest.trim_start();
            if rest.is_empty() || rest.starts_with('>') {
                break;
            }
            let end = rest.find(|c: char| c.is_whitespace() || c == '=' || c == '>');
            let (key, after) = rest.split_at(end.unwrap_or(rest.len()));
            assert!(!key.is_empty(), "every value is quoted: {rest}");
            rest = after;
            let mut value = "";
            if let Some(quoted) = rest.strip_prefix("=\"") {
                (value, rest) = quoted.split_once('"').expect("a quote is closed");
            }
            attributes.insert(key.to_owned(), plain(value));
        }
        if name == "textarea" {
            let text = rest.trim_start_matches('>').split("</textarea").next().unwrap_or_default();
            attributes.insert("value".to_owned(), plain(text));
        }
        tags.push((name, attributes));
    }
    tags
}

/// Text without the signs that stand for others.
fn plain(text: &str) -> String {
    let signs = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
    signs.into_iter().fold(text.to_owned(), |text, (sign, plain)| text.replace(sign, plain))
}

/// The forms of the page at `path`: one for each button that says something of its own.
pub fn forms(html: &str, path: &str) -> Vec<Sent> {
    let mut found = Vec::new();
    let mut form: Option<(Sent, Vec<Attributes>)> = None;
    for (tag, attributes) in tags(html) {
        let of = |key: &str| attributes.get(key).cloned().unwrap_or_default();
        match (&*tag, &mut form) {
            ("form", _) => {
                let action = if of("action").is_empty() { path.to_owned() } else { of("action") };
                let is_post = of("method") == "post";
                let has_files = of("enctype").starts_with("multipart");
                form = Some((Sent { action, is_post, has_files, fields: Vec::new() }, Vec::new()));
            }
            ("/form", form) => found.extend(form.take().map(pressed).into_iter().flatten()),
            ("button", Some((_, buttons))) => buttons.push(attributes),
            ("input" | "textarea" | "select", Some((sent, _))) => {
                let name = of("name");
                if !name.is_empty() && name != "_csrf" && of("type") != "file" {
                    sent.fields.push((name, of("value")));
                }
            }
            // The first, or the one that is chosen, which comes later.
            ("option", Some((sent, _))) => {
                let chosen = sent.fields.last_mut().expect("a select is around it");
                if chosen.1.is_empty() || attributes.contains_key("selected") {
                    chosen.1 = of("value");
                }
            }
            _ => {}
        }
    }
    found
}

fn pressed((sent, buttons): (Sent, Vec<Attributes>)) -> Vec<Sent> {
    let press = |button: Attributes| {
        let mut sent = sent.clone();
        if let Some(action) = button.get("formaction") {
            sent.action.clone_from(action);
        }
        if let Some(name) = button.get("name") {
            let value = button.get("value").cloned().unwrap_or_default();
            sent.fields.push((name.clone(), value));
        }
        sent
    };
    buttons.into_iter().map(press).collect()
}

#[test]
fn forms_are_read_as_a_browser_sends_them() {
    let page = "<form method=\"post\"><input name=\"a\" value=\"1 &#34;\" disabled>\
         <select name=\"b\"><option value=\"x\">X</option><option value=\"y\" selected>Y</option>\
         </select><textarea name=\"c\" class=\"d\">text</textarea><button formaction=\"/e\">\
         </button><button name=\"f\" value=\"g\"></button></form>";
    let found = forms(page, "/here");
    let told: Vec<_> = found.iter().map(|sent| (&*sent.action, sent.fields.len())).collect();
    assert_eq!(told, [("/e", 3), ("/here", 4)]);
    let values: Vec<_> = found[1].fields.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["1 \"", "y", "text", "g"]);
}
