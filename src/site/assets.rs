//! Style sheet, scripts and images, all inside the binary. The address of each names a hash of its
//! contents, so a browser may keep it for ever and still never show an old one.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::body::Bytes;
use axum::http::Uri;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::error::Error;

/// A file of `web/assets`.
#[derive(Debug)]
pub struct Asset {
    /// Its path below `web/assets`: `css/site.css`.
    pub file: String,
    /// Its address: `/assets/site.<16 hex digits>.css`.
    pub url: String,
    /// What it is.
    pub content_type: &'static str,
    /// Its contents.
    pub bytes: Bytes,
}

/// The asset that lies at `file` below `web/assets`.
///
/// # Panics
/// When there is no such file. Only we name files here, and the tests ask for every one.
pub fn asset(file: &str) -> &'static Asset {
    ASSETS.iter().find(|asset| asset.file == file).expect("the file is in web/assets")
}

/// The address of the asset at `file`, for templates.
///
/// # Panics
/// As [`asset`].
pub fn url(file: &str) -> &'static str {
    &asset(file).url
}

/// Answers `/assets/{name}`. An address whose hash is not that of the contents does not exist.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn show(uri: Uri) -> Result<Response, Error> {
    let asset = ASSETS.iter().find(|asset| asset.url == uri.path()).ok_or(Error::NotFound)?;
    let headers = [
        (CONTENT_TYPE, asset.content_type),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, asset.bytes.clone()).into_response())
}

#[derive(RustEmbed)]
#[folder = "web/assets"]
struct Files;

/// All assets. So few that looking at each is as fast as a map.
static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let embedded = |file: Cow<'static, str>| {
        let found = Files::get(&file)?;
        let bytes = match found.data {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => Bytes::from(bytes),
        };
        let url = hashed_url(&file, &found.metadata.sha256_hash());
        let content_type = content_type(&file);
        Some(Asset { file: file.into_owned(), url, content_type, bytes })
    };
    Files::iter().filter_map(embedded).collect()
});

/// 64 bits of the hash tell apart far more versions of a file than there will ever be.
fn hashed_url(file: &str, sha256: &[u8]) -> String {
    let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, "bin"));
    let mut url = format!("/assets/{stem}.");
    for byte in &sha256[..8] {
        let _ = write!(url, "{byte:02x}"); // writing to a String cannot fail
    }
    url + "." + extension
}

fn content_type(file: &str) -> &'static str {
    match file.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn every_asset_has_an_address_and_a_type_of_its_own() {
        let urls: HashSet<&str> = ASSETS.iter().map(|asset| asset.url.as_str()).collect();
        assert_eq!(urls.len(), ASSETS.len());
        for asset in &*ASSETS {
            assert_ne!(asset.content_type, "application/octet-stream", "{}", asset.file);
        }
    }

    #[test]
    fn text_stands_out_from_its_ground_in_both_themes() {
        let css = String::from_utf8(asset("css/site.css").bytes.to_vec()).unwrap();
        let (dark, light) = css.split_once("prefers-color-scheme: light").unwrap();
        for theme in [colours(dark), colours(light)] {
            assert!(
                contrast(theme["on-accent"], theme["accent-text"]) >= 4.5,
                "on-accent, {theme:?}"
            );
            assert!(contrast(theme["good"], theme["card"]) >= 4.5, "good, {theme:?}");
            for ground in ["ground", "card", "inset"] {
                for text in ["text", "muted", "accent-text"] {
                    let contrast = contrast(theme[text], theme[ground]);
                    assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.2}, {theme:?}");
                }
                // WCAG 1.4.11: what is not text but carries meaning.
                for bar in ["accent", "bar", "bar-now", "good", "bad"] {
                    assert!(contrast(theme[bar], theme[ground]) >= 3.0, "{bar} on {ground}");
                }
            }
        }
    }

    /// The custom properties of a style sheet that are colours: `--name: #rrggbb`. The first of a
    /// name counts.
    fn colours(css: &str) -> HashMap<&str, [u8; 3]> {
        let mut colours = HashMap::new();
        for line in css.lines() {
            let Some((name, value)) = line.trim().trim_end_matches(';').split_once(": #") else {
                continue;
            };
            let rgb = crate::protocol::ids::hex_decode(value.as_bytes());
            if let (Some(name), Some(rgb)) = (name.strip_prefix("--"), rgb) {
                colours.entry(name).or_insert(rgb);
            }
        }
        colours
    }

    /// Contrast ratio (WCAG 2.2, "contrast ratio" and "relative luminance").
    fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
        let [one, other] = [one, other].map(|[r, g, b]| {
            let linear = |channel: u8| {
                let value = f64::from(channel) / 255.0;
                if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
        });
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }
}
