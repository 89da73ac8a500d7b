//! A site's files as one text, so that two places can tell whether they have the same.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The files of a site, by key, with the tag of each one's content. Its SHA-256 in hexadecimal is the site's fingerprint.
///
/// The order in which the files come does not matter.
#[must_use]
pub fn listing<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let sorted: BTreeMap<&str, &str> = files.into_iter().collect();
    let mut text = String::new();
    for (key, tag) in sorted {
        // No key holds a line break; tags come with and without their quotation marks.
        let _ = writeln!(text, "{key}\t{}", tag.trim_matches('"'));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_are_the_same_text_in_any_order() {
        let one = listing([("b.html", "\"2\""), ("a.html", "1")]);
        assert_eq!(one, listing([("a.html", "\"1\""), ("b.html", "2")]));
        for other in
            [vec![("a.html", "1")], vec![("a.html", "1"), ("b.html", "3")], vec![("a.html", "1"), ("c", "2")]]
        {
            assert_ne!(one, listing(other));
        }
    }
}
