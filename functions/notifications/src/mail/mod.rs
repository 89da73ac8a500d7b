//! Writing a mail: the texts of its reader's language in the layout that all mails share.

mod layout;
mod money;
mod texts;

use domain::notifications::{Delivery, Notice, Template};
use domain::{Locale, Timestamp};
use fluent_bundle::FluentArgs;
use platform::{Error, Result};
use serde::Serialize;

use texts::{Texts, Unsaid};

/// A mail's three texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The subject, one line.
    pub subject: String,
    /// For those who see HTML.
    pub html: String,
    /// For those who do not.
    pub text: String,
}

/// What the mails point to.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// The web application, without a closing slash.
    pub app: &'a str,
    /// The mailbox for questions.
    pub support: &'a str,
}

/// What the layout shows.
#[derive(Debug, Serialize)]
struct Parts {
    lang: &'static str,
    dir: &'static str,
    start: &'static str,
    subject: String,
    preheader: String,
    title: String,
    greeting: Option<String>,
    paragraphs: Vec<String>,
    quote: Option<String>,
    button: Option<Button>,
    link_hint: Option<String>,
    note: String,
    signature: Option<String>,
    help: Option<String>,
}

#[derive(Debug, Serialize)]
struct Button {
    label: String,
    url: String,
}

/// Writes the mail of a delivery.
///
/// # Errors
/// `internal` when a text or one of its variables is missing, which the tests rule out.
pub fn write(delivery: &Delivery, notice: &Notice, places: Places<'_>) -> Result<Mail> {
    let parts = parts(delivery, notice, places)?;
    let html = layout::html(&parts).map_err(Error::caused)?;
    let text = layout::text(&parts).map_err(Error::caused)?;
    Ok(Mail { subject: parts.subject, html, text })
}

fn parts(delivery: &Delivery, notice: &Notice, places: Places<'_>) -> Result<Parts> {
    let (locale, template) = (delivery.locale, notice.template());
    let texts = Texts::of(locale);
    let mut arguments = arguments(notice, &texts, delivery.created_at)
        .map_err(|unsaid| Error::internal(unsaid.to_string()))?;
    arguments.set("support", places.support);
    if let Some(name) = &delivery.first_name {
        arguments.set("name", name.as_str());
    }
    let say = |message: &str, part: Option<&str>| {
        texts.say(message, part, &arguments).map_err(|unsaid| Error::internal(unsaid.to_string()))
    };
    let part = |name: &str| say(template.name(), Some(name));

    // A letter to ourselves needs no courtesies.
    let to_reader = template != Template::ContactMessage;
    let courtesy = |message: &str| to_reader.then(|| say(message, None)).transpose();
    let greeting = if delivery.first_name.is_some() { "greeting" } else { "greeting-anonymous" };
    let button = match link(notice, places) {
        Some(url) => Some(Button { label: part("button")?, url }),
        None => None,
    };
    let link_hint = button.is_some().then(|| say("link-hint", None)).transpose()?;

    Ok(Parts {
        lang: locale.tag(),
        dir: locale.direction(),
        start: if locale == Locale::Ar { "right" } else { "left" },
        subject: say(template.name(), None)?,
        preheader: part("preheader")?,
        title: part("title")?,
        greeting: courtesy(greeting)?,
        paragraphs: paragraphs(&part("body")?),
        quote: match notice {
            Notice::ContactMessage(message) => Some(message.message.clone()),
            _ => None,
        },
        button,
        link_hint,
        note: part("note")?,
        signature: courtesy("signature")?,
        help: courtesy("help")?,
    })
}

/// What the texts of a notice may name.
fn arguments<'a>(
    notice: &'a Notice,
    texts: &Texts,
    written_at: Timestamp,
) -> std::result::Result<FluentArgs<'a>, Unsaid> {
    let mut arguments = FluentArgs::new();
    match notice {
        Notice::Verification { valid_until, .. } => {
            arguments.set("hours", valid_until.since(written_at).as_secs().div_ceil(3_600));
        }
        Notice::Welcome => {}
        Notice::SiteReady { fqdn, .. } => arguments.set("fqdn", fqdn.as_str()),
        Notice::ProvisioningFailed { fqdn, operation, undone, .. } => {
            arguments.set("fqdn", fqdn.as_str());
            arguments.set("operation", operation.to_string());
            arguments.set("outcome", if *undone { "undone" } else { "waiting" });
        }
        Notice::ContactMessage(message) => {
            arguments.set("name", message.name.as_str());
            arguments.set("email", message.email.as_str());
            arguments.set("subject", message.subject.as_str());
        }
        _ => money::arguments(notice, texts, &mut arguments)?,
    }
    Ok(arguments)
}

/// Where the button leads.
fn link(notice: &Notice, places: Places<'_>) -> Option<String> {
    let Places { app, .. } = places;
    match notice {
        Notice::Verification { token, .. } => Some(format!("{app}/verify-email?token={token}")),
        Notice::Welcome => Some(format!("{app}/sites/new")),
        Notice::SiteReady { fqdn, .. } => Some(site_url(app, fqdn)),
        Notice::ProvisioningFailed { site, .. } => Some(format!("{app}/sites/{site}")),
        Notice::ContactMessage(_) => None,
        _ => Some(money::link(notice, app)),
    }
}

/// A site is reached as the application is: by https in production, on the local stack's port there.
fn site_url(app: &str, fqdn: &str) -> String {
    let (scheme, rest) = app.split_once("://").unwrap_or(("https", app));
    let host = rest.split('/').next().unwrap_or_default();
    let port = host.rsplit_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{fqdn}{port}/")
}

fn paragraphs(text: &str) -> Vec<String> {
    let paragraphs =
        text.split("\n\n").map(|paragraph| paragraph.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
    paragraphs.filter(|paragraph| !paragraph.is_empty()).collect()
}

#[cfg(test)]
mod tests;
