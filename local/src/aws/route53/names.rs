//! Names as Route 53 keeps them: lower-case, absolute, `*` written `\052`, ordered by their labels from the right.

/// A name in Route 53's own form.
pub(super) fn normal(name: &str) -> String {
    let mut name = name.to_ascii_lowercase().replace('*', "\\052");
    if !name.ends_with('.') {
        name.push('.');
    }
    name
}

/// The labels from the right, joined by a character that sorts before every one in a label.
pub(super) fn reversed(name: &str) -> String {
    name.trim_end_matches('.').rsplit('.').collect::<Vec<_>>().join(" ")
}

/// Whether a name is the zone's or below it; both in normal form.
pub(super) fn is_within(name: &str, zone: &str) -> bool {
    name == zone || name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether a name may stand in DNS; in normal form.
pub(super) fn is_valid(name: &str) -> bool {
    let labels = name.trim_end_matches('.');
    labels.len() <= 255
        && labels.split('.').enumerate().all(|(position, label)| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=63).contains(&label.len())
                && (label.bytes().all(plain) || (position == 0 && label == "\\052"))
        })
}
