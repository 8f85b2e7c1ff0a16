//! Passwords: what they must have, and what is kept of them. Argon2id with the second recommended
//! option of RFC 9106, section 4; what the earlier tracker kept is still understood, and written
//! anew at the next sign-in.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use tokio::sync::Semaphore;

use crate::db::settings::{self, Settings};

/// Longest password, in bytes: more would only be work for us.
pub const BYTES_MAX: usize = 1024;
/// Of the earlier tracker: PBKDF2 with HMAC-SHA-256, and the salt as it is written.
const REFERENCE: &str = "$pbkdf2-reference$";
const REFERENCE_ROUNDS: u32 = 260_000;
/// 64 MiB, three passes, four lanes: RFC 9106, section 4, second recommended option.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;
/// Passwords that are looked at at once: each takes [`MEMORY_KIB`] and a core.
const AT_ONCE: usize = 2;

/// Of no password that anybody knows, random as it is: looked at where there is no account, so that
/// it takes as long.
const NOBODYS: &str = "$argon2id$v=19$m=65536,t=3,p=4$\
     ZWHuJq8UjgOPYQR3VH5f3Q$\
     4BHo+b5SVDnig9a+/Qrz1feKJYjsPE8OYbXVKzDLmxE";
/// The same, in the way of the earlier tracker.
const NOBODYS_OLD: &str = "$pbkdf2-reference$\
     9d1f6ac0b38e4275$\
     c3a1f0927be84d5667021d9ae5cf3b8840b6d27f19e3a50c8d74f2b1960e5a3d";

/// Hashes passwords, a few at a time.
#[derive(Debug)]
pub struct Hashing {
    turns: Semaphore,
}

impl Default for Hashing {
    fn default() -> Hashing {
        Hashing { turns: Semaphore::new(AT_ONCE) }
    }
}

/// What a hash says of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is another one.
    Wrong,
    /// It is this one.
    Right,
    /// It is this one, kept in an old way: to be written anew.
    RightButOld,
}

impl Hashing {
    /// What is kept of `password`. `None` when the system gives no randomness or memory.
    pub async fn hash(&self, password: String) -> Option<String> {
        let _turn = self.turns.acquire().await;
        tokio::task::spawn_blocking(move || hash(&password)).await.ok().flatten()
    }

    /// Whether `kept` is of `password`; of an account that does not exist it is not. While
    /// `any_old` hash is kept, by anybody, the password is looked at in both ways, so that the time
    /// it takes does not tell which is this one's.
    pub async fn verify(&self, password: String, kept: Option<String>, any_old: bool) -> Verdict {
        let _turn = self.turns.acquire().await;
        let work = move || {
            let kept = kept.as_deref();
            let (old, new): (Option<&str>, Option<&str>) = match kept {
                Some(kept) if kept.starts_with(REFERENCE) => (Some(kept), None),
                kept => (None, kept),
            };
            let verdict_of = |kept: Option<&str>, nobodys| {
                let verdict = verify(&password, kept.unwrap_or(nobodys));
                kept.map_or(Verdict::Wrong, |_| verdict)
            };
            let new = verdict_of(new, NOBODYS);
            if old.is_none() && !any_old {
                return new;
            }
            match verdict_of(old, NOBODYS_OLD) {
                Verdict::Wrong => new,
                right => right,
            }
        };
        tokio::task::spawn_blocking(work).await.unwrap_or(Verdict::Wrong)
    }
}

fn argon2() -> Option<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).ok()?;
    Some(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// What is kept of a password: a PHC string. Takes a tenth of a second of a core. `None` when the
/// system gives no randomness.
pub fn hash(password: &str) -> Option<String> {
    argon2()?.hash_password(password.as_bytes()).ok().map(|hash: PasswordHash| hash.to_string())
}

/// Whether `kept` is of `password`.
pub fn verify(password: &str, kept: &str) -> Verdict {
    if password.len() > BYTES_MAX {
        return Verdict::Wrong;
    }
    if let Some(kept) = kept.strip_prefix(REFERENCE) {
        return verify_reference(password, kept);
    }
    let (Ok(kept), Some(argon2)) = (PasswordHash::new(kept), argon2()) else {
        return Verdict::Wrong;
    };
    match argon2.verify_password(password.as_bytes(), &kept) {
        Ok(()) => Verdict::Right,
        Err(_) => Verdict::Wrong,
    }
}

fn verify_reference(password: &str, kept: &str) -> Verdict {
    let Some((salt, digits)) = kept.split_once('$') else { return Verdict::Wrong };
    let mut key = [0; 32];
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt.as_bytes(), REFERENCE_ROUNDS, &mut key);
    let is_same = hex(&key).as_bytes().ct_eq(digits.as_bytes());
    if is_same.into() { Verdict::RightButOld } else { Verdict::Wrong }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        for half in [byte >> 4, byte & 15] {
            digits.push(char::from_digit(half.into(), 16).unwrap_or('0'));
        }
        digits
    })
}

/// The rules that a new password must keep, as they are told: all of them, each with whether
/// `password` keeps it.
pub fn rules(settings: &Settings, password: &str) -> Vec<(String, bool)> {
    let least = usize::try_from(settings.number(settings::PW_MIN_LENGTH)).unwrap_or(12);
    let has = |is: fn(char) -> bool| password.chars().any(is);
    let mut rules =
        vec![(format!("at least {least} characters"), password.chars().count() >= least)];
    for (flag, rule, is_kept) in [
        (settings::PW_REQUIRE_UPPER, "a capital letter", has(char::is_uppercase)),
        (settings::PW_REQUIRE_LOWER, "a small letter", has(char::is_lowercase)),
        (settings::PW_REQUIRE_DIGIT, "a digit", has(|c| c.is_ascii_digit())),
        (settings::PW_REQUIRE_SYMBOL, "a sign that is no letter or digit", has(is_sign)),
    ] {
        if settings.is_on(flag) {
            rules.push((rule.to_owned(), is_kept));
        }
    }
    rules
}

fn is_sign(c: char) -> bool {
    !c.is_alphanumeric()
}

/// Whether `password` may be somebody's.
///
/// # Errors
/// What it lacks, in words.
pub fn check(settings: &Settings, password: &str) -> Result<(), String> {
    if password.len() > BYTES_MAX {
        return Err(format!("A password has at most {BYTES_MAX} bytes."));
    }
    let rules = rules(settings, password);
    let lacks: Vec<_> = rules.iter().filter(|(_, is_kept)| !is_kept).collect();
    match &lacks[..] {
        [] => Ok(()),
        lacks => {
            let lacks: Vec<_> = lacks.iter().map(|(rule, _)| rule.as_str()).collect();
            Err(format!("The password needs {}.", lacks.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_the_earlier_tracker_are_known_and_old() {
        for (password, salt, key) in [
            (
                "Correct-Horse-9!",
                "00112233445566778899aabbccddeeff",
                "6b957126a69b04bc3d71d2072f5bf7cd8b29b1efd8d65e8c219ec3c83cfa8741",
            ),
            (
                "pässwörd-ÅÄÖ 1",
                "ffeeddccbbaa99887766554433221100",
                "ba848f7766029e88340532375e146c127288c5b46b973e0329f4d497da79d90a",
            ),
        ] {
            let kept = format!("{REFERENCE}{salt}${key}");
            assert_eq!(verify(password, &kept), Verdict::RightButOld, "{password}");
            assert_eq!(verify("other", &kept), Verdict::Wrong);
        }
        assert_eq!(verify("x", REFERENCE), Verdict::Wrong);
    }

    #[test]
    fn hash_is_of_its_password_alone_and_salted() {
        let kept = hash("Correct-Horse-9!").unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=65536,t=3,p=4$"), "{kept}");
        assert_eq!(verify("Correct-Horse-9!", &kept), Verdict::Right);
        assert_eq!(verify("Correct-Horse-9", &kept), Verdict::Wrong);
        assert_ne!(kept, hash("Correct-Horse-9!").unwrap());
        assert_eq!(verify("x", "no hash"), Verdict::Wrong);
        assert_eq!(verify(&"x".repeat(BYTES_MAX + 1), &kept), Verdict::Wrong);
    }

    #[tokio::test]
    async fn nobody_has_a_password() {
        let hashing = Hashing::default();
        for any_old in [false, true] {
            assert_eq!(hashing.verify(String::new(), None, any_old).await, Verdict::Wrong);
        }
        let [old, new] = [NOBODYS_OLD, NOBODYS].map(|kept| kept.split('$').count());
        assert_eq!((old, new), (4, 6));
        let nobodys = PasswordHash::new(NOBODYS).unwrap();
        let ours = PasswordHash::new(&hash("x").unwrap()).unwrap();
        assert_eq!(nobodys.params, ours.params, "it takes as long");
        assert_eq!(nobodys.hash.unwrap().len(), ours.hash.unwrap().len());
    }

    #[tokio::test]
    async fn each_kind_of_hash_is_known_while_both_are_looked_at() {
        let hashing = Hashing::default();
        let new = hash("Correct-Horse-9!").unwrap();
        let salt = "0011223344556677";
        let mut key = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(b"old", salt.as_bytes(), REFERENCE_ROUNDS, &mut key);
        let old = format!("{REFERENCE}{salt}${}", hex(&key));
        for (typed, kept, any_old, verdict) in [
            ("Correct-Horse-9!", &new, false, Verdict::Right),
            ("Correct-Horse-9!", &new, true, Verdict::Right),
            ("old", &new, true, Verdict::Wrong),
            ("old", &old, true, Verdict::RightButOld),
            ("old", &old, false, Verdict::RightButOld),
            ("Correct-Horse-9!", &old, true, Verdict::Wrong),
        ] {
            let found = hashing.verify(typed.to_owned(), Some(kept.clone()), any_old).await;
            assert_eq!(found, verdict, "{typed} {any_old}");
        }
    }

    #[test]
    fn everything_that_a_password_lacks_is_told_at_once() {
        let settings = Settings::default();
        assert_eq!(check(&settings, "Correct-Horse-9!"), Ok(()));
        let told = check(&settings, "kurz").unwrap_err();
        for lack in ["at least 12", "capital", "digit", "sign"] {
            assert!(told.contains(lack), "{told}");
        }
        assert!(!told.contains("small"), "{told}");
        assert!(check(&settings, &"Aa1!".repeat(BYTES_MAX)).is_err());
    }
}
