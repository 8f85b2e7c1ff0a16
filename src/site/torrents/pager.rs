//! The way from page to page of a long list.

use std::collections::BTreeSet;

/// Links to pages: the first and last three, and those around the present one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pager {
    /// The present page, from 1.
    pub page: u64,
    /// How many there are, at least 1.
    pub pages: u64,
    /// What a link has before the number of its page: `/manage/search?q=a&page=`.
    base: String,
}

impl Pager {
    /// For the page `page` of `pages`, with the parameters of the list but `page`.
    pub fn new(path: &str, parameters: &[(&str, &str)], (page, pages): (u64, u64)) -> Pager {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        let query = query.finish();
        let and = if query.is_empty() { "" } else { "&" };
        Pager { page, pages, base: format!("{path}?{query}{and}page=") }
    }

    /// Pages to link to, in order; `None` where some are left out.
    pub fn numbers(&self) -> Vec<Option<u64>> {
        let last = self.pages;
        let around = self.page.saturating_sub(1)..=self.page + 1;
        let ends = (1..=3).chain(last.saturating_sub(2)..=last);
        let shown: BTreeSet<u64> =
            ends.chain(around).filter(|page| (1..=last).contains(page)).collect();
        let mut numbers = Vec::new();
        for page in shown {
            if numbers.last().is_some_and(|before| *before != Some(page - 1)) {
                numbers.push(None);
            }
            numbers.push(Some(page));
        }
        numbers
    }

    /// Where a page is.
    pub fn url(&self, page: &u64) -> String {
        format!("{}{page}", self.base)
    }

    /// The page before, if there is one.
    pub fn previous(&self) -> Option<String> {
        (self.page > 1).then(|| self.url(&(self.page - 1)))
    }

    /// The page behind, if there is one.
    pub fn next(&self) -> Option<String> {
        (self.page < self.pages).then(|| self.url(&(self.page + 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_neighbours_are_linked_and_gaps_shown() {
        let numbers = |page, pages| {
            let pager = Pager::new("/p", &[], (page, pages));
            let shown = pager.numbers().into_iter();
            shown.map(|n| n.map_or("…".into(), |n| n.to_string())).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(numbers(1, 1), "1");
        assert_eq!(numbers(2, 4), "1 2 3 4");
        assert_eq!(numbers(1, 20_000), "1 2 3 … 19998 19999 20000");
        assert_eq!(numbers(50, 100), "1 2 3 … 49 50 51 … 98 99 100");
    }

    #[test]
    fn links_keep_what_was_asked_for() {
        let pager = Pager::new("/manage/search", &[("q", "a&b <c"), ("sort", "")], (2, 3));
        assert_eq!(pager.next().as_deref(), Some("/manage/search?q=a%26b+%3Cc&page=3"));
        assert_eq!(Pager::new("/x", &[], (1, 1)).previous(), None);
        assert_eq!(Pager::new("/x", &[], (1, 2)).next().as_deref(), Some("/x?page=2"));
    }
}
