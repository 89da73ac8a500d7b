//! The layout of all mails, in HTML and in plain text.

use std::sync::LazyLock;

use minijinja::{Environment, Error};
use serde::Serialize;

/// The name's ending decides that values are escaped.
const HTML: &str = "mail.html";
const TEXT: &str = "mail.txt";

static LAYOUTS: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut layouts = Environment::new();
    for (name, source) in
        [(HTML, include_str!("../../layouts/mail.html")), (TEXT, include_str!("../../layouts/mail.txt"))]
    {
        layouts.add_template(name, source).expect("a test reads both layouts");
    }
    layouts
});

pub(super) fn html(parts: &impl Serialize) -> Result<String, Error> {
    LAYOUTS.get_template(HTML)?.render(parts)
}

pub(super) fn text(parts: &impl Serialize) -> Result<String, Error> {
    let text = LAYOUTS.get_template(TEXT)?.render(parts)?;
    Ok(format!("{}\n", text.trim()))
}
