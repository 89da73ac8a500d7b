//! Mail that SES took, as its reader sees it.

use domain::Timestamp;
use mail_parser::{Address, MessageParser};
use serde::Serialize;

use crate::aws::Cloud;
use crate::aws::ses::Mail as Kept;

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
    /// The latest mails, so many at most, oldest first.
    #[must_use]
    pub fn latest(cloud: &Cloud, most: usize) -> Vec<Self> {
        cloud.ses().mails(most).into_iter().map(Self::read).collect()
    }

    /// Every mail sent to an address, oldest first.
    #[must_use]
    pub fn to(cloud: &Cloud, address: &str) -> Vec<Self> {
        cloud.ses().mails_to(address).into_iter().map(Self::read).collect()
    }

    /// One mail.
    #[must_use]
    pub fn find(cloud: &Cloud, id: &str) -> Option<Self> {
        cloud.ses().mail(id).map(Self::read)
    }

    fn read(mail: Kept) -> Self {
        let Some(message) = MessageParser::default().parse(mail.raw.as_bytes()) else {
            let (subject, html, headers) = Default::default();
            return Self {
                id: mail.id,
                at: mail.at,
                from: mail.from,
                to: mail.to,
                subject,
                html,
                text: mail.raw,
                headers,
            };
        };
        let headers = message.headers_raw().map(|(name, value)| (name.to_owned(), value.trim().to_owned()));
        Self {
            id: mail.id,
            at: mail.at,
            from: message.from().and_then(first).unwrap_or(mail.from),
            to: mail.to,
            subject: message.subject().unwrap_or_default().to_owned(),
            html: message.body_html(0).map(|body| body.into_owned()).unwrap_or_default(),
            text: message.body_text(0).map(|body| body.into_owned()).unwrap_or_default(),
            headers: headers.collect(),
        }
    }

    /// A header as written.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
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
