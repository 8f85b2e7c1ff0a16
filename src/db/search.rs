//! How torrents are found by words: pure functions from a name to what is indexed of it, and from
//! what was typed to a question that FTS5 understands.
//!
//! **Rule.** What is typed is split at white space, `.`, `-` and `_`. Every piece must be somewhere
//! in the name, in any case, or in an info hash: `24` finds `ubuntu-24.04`, and `2024` too.
//!
//! **Index.** FTS5 finds words, not parts of them, and its own trigrams leave out what is shorter
//! than three characters. So what is indexed are all runs of one to three characters in the name
//! (*grams*), as words of their own: a piece is found by grams of three that cover it, or by
//! itself when it is shorter. Info hashes are indexed by runs of four digits. A gram is spelt in
//! hex behind a letter, so that nothing that was typed is ever FTS5's syntax.
//!
//! What has the grams of a piece may still not have the piece: [`Query::matches`] has the last
//! word.

use std::collections::BTreeSet;
use std::fmt::Write;

/// Longest query, in characters; what is behind is not looked at.
pub const QUERY_CHARS_MAX: usize = 200;
/// Characters in the longest gram of a name.
const GRAM_CHARS: usize = 3;
/// Hex digits in a gram of an info hash, and the fewest that are looked for in one.
const HASH_GRAM_DIGITS: usize = 4;
/// Fewest digits without a letter that are looked for in an info hash: years and resolutions have
/// fewer, and would find one torrent in some thousand by chance.
const PLAIN_DIGITS_MIN: usize = 8;

/// What a torrent is found by.
#[derive(Clone, Copy, Debug)]
pub struct Indexed<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its info hashes, in lower-case hex.
    pub info_hashes: &'a [String],
    /// The member who registered it, if the account is there.
    pub uploader_id: Option<i64>,
}

impl Indexed<'_> {
    /// The text for the index: grams with a space between, each once.
    pub fn grams(&self) -> String {
        let name = folded(self.name);
        let mut grams: BTreeSet<String> = BTreeSet::new();
        for word in words(&name) {
            let chars: Vec<char> = word.chars().collect();
            for length in 1..=GRAM_CHARS {
                grams.extend(chars.windows(length).map(name_gram));
            }
        }
        for digits in self.info_hashes.iter().map(String::as_bytes) {
            grams.extend(digits.windows(HASH_GRAM_DIGITS).map(hash_gram));
        }
        grams.extend(self.uploader_id.map(uploader_gram));
        grams.into_iter().collect::<Vec<_>>().join(" ")
    }
}

/// What was typed, ready to be looked for. Empty when there is nothing to look for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    pieces: Vec<String>,
}

impl Query {
    /// Reads what was typed.
    pub fn new(typed: &str) -> Query {
        let typed: String = typed.trim().chars().take(QUERY_CHARS_MAX).collect();
        let pieces: BTreeSet<_> = words(&folded(&typed)).map(str::to_owned).collect();
        Query { pieces: pieces.into_iter().collect() }
    }

    /// Whether everything is found.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The question for FTS5, narrowed to the torrents of one member if wanted; `None` when there
    /// is nothing to ask.
    pub fn fts5(&self, uploader_id: Option<i64>) -> Option<String> {
        let mut parts: Vec<_> = self.pieces.iter().map(|piece| piece_question(piece)).collect();
        parts.extend(uploader_id.map(uploader_gram));
        (!self.pieces.is_empty()).then(|| parts.join(" AND "))
    }

    /// Whether a torrent of this name is meant. Its info hashes, in lower-case hex, are asked for
    /// only if need be.
    ///
    /// # Errors
    /// That of `info_hashes`.
    pub fn matches<E>(
        &self,
        name: &str,
        info_hashes: impl Fn() -> Result<Vec<String>, E>,
    ) -> Result<bool, E> {
        let name = folded(name);
        for piece in self.pieces.iter().filter(|piece| !name.contains(&**piece)) {
            let is_in_hash = || info_hashes().map(|all| all.iter().any(|one| one.contains(piece)));
            if !is_hash_fragment(piece) || !is_in_hash()? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn piece_question(piece: &str) -> String {
    let chars: Vec<char> = piece.chars().collect();
    let by_name = cover(&chars, GRAM_CHARS, name_gram);
    if !is_hash_fragment(piece) {
        return format!("({by_name})");
    }
    format!("(({by_name}) OR ({}))", cover(piece.as_bytes(), HASH_GRAM_DIGITS, hash_gram))
}

/// The question for grams of `length` that cover a piece. Those between them would cost as much
/// again, and leave hardly anything out that these do not.
fn cover<T>(piece: &[T], length: usize, gram: impl Fn(&[T]) -> String) -> String {
    let last = &piece[piece.len().saturating_sub(length)..];
    let grams: BTreeSet<_> = piece.chunks_exact(length).chain([last]).map(gram).collect();
    grams.into_iter().collect::<Vec<_>>().join(" AND ")
}

/// Whether a piece may be meant as a part of an info hash.
fn is_hash_fragment(piece: &str) -> bool {
    let is_plain = piece.bytes().all(|byte| byte.is_ascii_digit());
    let digits_min = if is_plain { PLAIN_DIGITS_MIN } else { HASH_GRAM_DIGITS };
    piece.len() >= digits_min && piece.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Text in which letters differ by more than their case. Character by character, so that a part of
/// a text is folded as it is in the whole.
fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_separator = |c: char| c.is_whitespace() || matches!(c, '.' | '-' | '_');
    text.split(is_separator).filter(|word| !word.is_empty())
}

fn name_gram(chars: &[char]) -> String {
    let mut gram = String::from("n");
    for char in chars {
        let _ = write!(gram, "{:x}", u32::from(*char)); // a String takes everything
        gram.push('x');
    }
    gram
}

fn hash_gram(digits: &[u8]) -> String {
    format!("h{}", String::from_utf8_lossy(digits))
}

fn uploader_gram(uploader_id: i64) -> String {
    format!("u{}", uploader_id.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn finds(typed: &str, name: &str) -> bool {
        let info_hashes = ["0123456789abcdef0123456789abcdef01234567".to_owned()];
        let indexed = Indexed { name, info_hashes: &info_hashes, uploader_id: Some(7) }.grams();
        let indexed: BTreeSet<_> = indexed.split(' ').collect();
        let query = Query::new(typed);
        let is_found = query.fts5(None).is_none_or(|question| holds(&question, &indexed));
        let matches = query.matches(name, || Ok::<_, ()>(info_hashes.to_vec())).unwrap();
        assert!(
            is_found || !matches,
            "{typed:?} is in {name:?}, and the index does not lead there"
        );
        matches
    }

    /// Evaluates a question of ours as FTS5 does: words, AND, OR, parentheses.
    fn holds(question: &str, indexed: &BTreeSet<&str>) -> bool {
        let question = question.replace('(', "( ").replace(')', " )");
        let mut words = question.split_whitespace().peekable();
        any(&mut words, indexed)
    }

    type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

    fn any(words: &mut Words<'_>, indexed: &BTreeSet<&str>) -> bool {
        let mut holds = all(words, indexed);
        while words.next_if_eq(&"OR").is_some() {
            holds |= all(words, indexed);
        }
        holds
    }

    fn all(words: &mut Words<'_>, indexed: &BTreeSet<&str>) -> bool {
        let mut holds = one(words, indexed);
        while words.next_if_eq(&"AND").is_some() {
            holds &= one(words, indexed);
        }
        holds
    }

    fn one(words: &mut Words<'_>, indexed: &BTreeSet<&str>) -> bool {
        match words.next().expect("a word") {
            "(" => {
                let holds = any(words, indexed);
                assert_eq!(words.next(), Some(")"));
                holds
            }
            word => {
                assert!(word.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{word}");
                indexed.contains(word)
            }
        }
    }

    #[test]
    fn every_piece_must_be_there_in_any_order_and_case() {
        let name = "ubuntu-24.04.2-live-server-amd64.iso";
        for typed in [
            "ubuntu 24",
            "ubuntu 24 server",
            "ubuntu.24",
            "SERVER_ubuntu",
            "u",
            "4",
            "vEr",
            " ",
            "-",
        ] {
            assert!(finds(typed, name), "{typed}");
        }
        for typed in ["ubuntu 24 desktop", "%", "ubuntu%", "z", "42 z"] {
            assert!(!finds(typed, name), "{typed}");
        }
        assert!(finds("24", "Report 2024"), "a part of a word");
        assert!(!finds("_", "") || Query::new("_").is_empty());
    }

    #[test]
    fn letters_of_other_scripts_are_folded_too() {
        assert!(finds("ÉTÉ straße", "L'été à la Straße"));
        assert!(finds("ΣΊΣΥΦΟΣ", "σίσυφοσ"));
        assert!(finds("漢字", "これは漢字です"));
    }

    #[test]
    fn part_of_an_info_hash_finds_it_unless_it_is_a_short_number() {
        for typed in ["89ab", "0123456789ABCDEF0123456789abcdef01234567", "f0123", "01234567"] {
            assert!(finds(typed, "x"), "{typed}");
        }
        for typed in ["9ab", "2345", "fedc", "89abx"] {
            assert!(!finds(typed, "x"), "{typed}");
        }
    }

    #[test]
    fn syntax_of_fts5_is_not_to_be_had() {
        for typed in ["\"", "a OR b", "NEAR(a b)", "col:x", "a*", "^a", "(a", "'; --"] {
            let question = Query::new(typed).fts5(Some(3)).unwrap();
            let inert = |c: char| c.is_ascii_alphanumeric() || "() ".contains(c);
            assert!(question.chars().all(inert), "{question}");
            assert!(question.ends_with(" AND u3"), "{question}");
        }
    }

    proptest! {
        #[test]
        fn index_leads_to_every_name_that_has_the_pieces(name: String, typed: String) {
            finds(&typed, &name);
        }

        #[test]
        fn name_is_found_by_its_parts(name in "[a-zA-Zé0-9 ._-]{1,30}", from in 0..30_usize) {
            let part: String = name.chars().skip(from).take(7).collect();
            prop_assert!(finds(&part, &name), "{part:?} in {name:?}");
        }
    }
}
