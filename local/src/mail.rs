//! Mail that SES took, as its reader sees it.

use domain::Timestamp;
use mail_parser::{Address, MessageParser};
use serde::Serialize;

use crate::aws::Cloud;

/// One mail.
#[derive(Debug, Clone, Serialize)]
pub struct Mail {
    /// SES's id of it.
    pub id: String,
    /// When it was sent.
    pub at: Timestamp,
    /// The sender's address.
    pub from: String,
    /// The receivers' addresses.
    pub to: Vec<String>,
    /// The subject.
    pub subject: String,
    /// The rich body.
    pub html: String,
    /// The plain body.
    pub text: String,
    /// All headers, as written.
    pub headers: Vec<(String, String)>,
}

impl Mail {
    /// Every mail that was sent, oldest first.
    #[must_use]
    pub fn all(cloud: &Cloud) -> Vec<Self> {
        cloud.ses().mails().into_iter().map(|mail| {
            let parsed = MessageParser::default().parse(mail.raw.as_bytes());
            let Some(message) = parsed else {
                return Self {
                    id: mail.id, at: mail.at, from: mail.source, to: mail.destinations, subject: String::new(),
                    html: String::new(), text: mail.raw, headers: Vec::new(),
                };
            };
            Self {
                id: mail.id,
                at: mail.at,
                from: message.from().and_then(first).unwrap_or(mail.source),
                to: mail.destinations,
                subject: message.subject().unwrap_or_default().to_owned(),
                html: message.body_html(0).map(|body| body.into_owned()).unwrap_or_default(),
                text: message.body_text(0).map(|body| body.into_owned()).unwrap_or_default(),
                headers: message
                    .headers_raw()
                    .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
                    .collect(),
            }
        }).collect()
    }

    /// A header as written.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The addresses that the plain body names, in order.
    #[must_use]
    pub fn links(&self) -> Vec<String> {
        self.text
            .split(|letter: char| letter.is_whitespace() || matches!(letter, '<' | '>' | '"' | '(' | ')'))
            .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
            .map(|word| word.trim_end_matches(['.', ',', ';']).to_owned())
            .collect()
    }

    /// The `token` of the first link whose path ends so.
    #[must_use]
    pub fn token(&self, path: &str) -> Option<String> {
        self.links().iter().find_map(|link| {
            let url = url::Url::parse(link).ok().filter(|url| url.path().ends_with(path))?;
            url.query_pairs().find(|(name, _)| name == "token").map(|(_, token)| token.into_owned())
        })
    }
}

fn first(address: &Address<'_>) -> Option<String> {
    address.first().and_then(|address| address.address()).map(str::to_owned)
}
