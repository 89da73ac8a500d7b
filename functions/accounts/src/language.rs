//! The language that a browser asks for.

use domain::Locale;

/// The language of ours that an `Accept-Language` header (RFC 9110, 12.5.4) likes best; English if it names none.
#[must_use]
pub fn preferred(header: Option<&str>) -> Locale {
    let ranges = header.unwrap_or_default().split(',').filter_map(|range| {
        let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
        let weight: f32 = weight.trim().strip_prefix("q=")?.trim().parse().ok()?;
        let language = tag.trim().split('-').next()?.to_ascii_lowercase();
        let locale = Locale::ALL.into_iter().find(|locale| locale.tag() == language)?;
        (weight > 0.0).then_some((locale, weight))
    });
    // Of two that weigh the same the first one counts.
    ranges
        .reduce(|best, next| if next.1 > best.1 { next } else { best })
        .map_or_else(Locale::default, |(locale, _)| locale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_language_of_ours_is_taken() {
        for (header, locale) in [
            (Some("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5"), Locale::Fr),
            (Some("de, ar;q=0.4, en;q=0.3"), Locale::Ar),
            (Some("en;q=0.5,fr;q=0.5"), Locale::En),
            (Some("AR"), Locale::Ar),
            (Some("fr;q=0"), Locale::En),
            (Some("fr;q=x, ,;;"), Locale::En),
            (None, Locale::En),
        ] {
            assert_eq!(preferred(header), locale, "{header:?}");
        }
    }
}
