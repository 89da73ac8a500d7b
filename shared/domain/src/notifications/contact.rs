//! The contact form: what a stranger may write to us.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Email, Event, Refusal};

/// Longest name, in characters.
const NAME: usize = 100;
/// Longest subject, in characters.
const SUBJECT: usize = 150;
/// Longest message, in characters.
const MESSAGE: usize = 5_000;

/// What the form sends.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewContactMessage {
    /// The writer's name, one line of 1 to 100 characters.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// Where the answer goes.
    #[schemars(email)]
    pub email: String,
    /// What it is about, one line of 1 to 150 characters.
    #[schemars(length(min = 1, max = 150))]
    pub subject: String,
    /// 1 to 5,000 characters, line breaks allowed.
    #[schemars(length(min = 1, max = 5000))]
    pub message: String,
    /// Leave it empty. People do not see this field; programs that fill in every field betray themselves.
    #[serde(default)]
    pub website: String,
}

/// A message that may become a mail: no field can add a header to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContactMessage {
    /// The writer's name.
    pub name: String,
    /// Where the answer goes.
    pub email: Email,
    /// What it is about.
    pub subject: String,
    /// The message.
    pub message: String,
}

/// `notifications.contact_message_received`: a stranger wrote to us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContactMessageReceived {
    /// What they wrote.
    pub message: ContactMessage,
}

impl Event for ContactMessageReceived {
    const TYPE: &'static str = "notifications.contact_message_received";
}

impl NewContactMessage {
    /// The message to pass on; nothing when a program filled in the field that people do not see.
    ///
    /// # Errors
    /// `invalid` at the field that is empty, too long, no address, or holds characters that no form field yields.
    pub fn accept(self) -> Result<Option<ContactMessage>, Refusal> {
        let name = line("/name", &self.name, NAME)?;
        let subject = line("/subject", &self.subject, SUBJECT)?;
        let message = self.message.replace("\r\n", "\n");
        let message = within("/message", &message, MESSAGE)?;
        if message.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err(Refusal::invalid("/message", "Control characters are not allowed."));
        }
        let email =
            self.email.parse().map_err(|_| Refusal::invalid("/email", "Expected an e-mail address."))?;

        let message = ContactMessage { name, email, subject, message };
        Ok(self.website.is_empty().then_some(message))
    }
}

fn line(pointer: &str, text: &str, longest: usize) -> Result<String, Refusal> {
    // Looked at untrimmed: a break at the end of a header's text is the beginning of the next header.
    if text.chars().any(breaks_or_turns) {
        return Err(Refusal::invalid(pointer, "Line breaks and control characters are not allowed."));
    }
    within(pointer, text, longest)
}

fn within(pointer: &str, text: &str, longest: usize) -> Result<String, Refusal> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err(Refusal::invalid(pointer, "Must not be empty.")),
        length if length > longest => {
            Err(Refusal::invalid(pointer, format!("At most {longest} characters are allowed.")))
        }
        _ => Ok(text.to_owned()),
    }
}

/// Control characters, Unicode's own line breaks, and the marks that make text read in another order than written.
pub(crate) fn breaks_or_turns(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> NewContactMessage {
        NewContactMessage {
            name: " Anna ".to_owned(),
            email: "Anna@Example.com".to_owned(),
            subject: "A question".to_owned(),
            message: "Hello,\r\nis it open?\n".to_owned(),
            website: String::new(),
        }
    }

    fn pointer(form: NewContactMessage) -> Option<String> {
        match form.accept().err()?.kind {
            crate::RefusalKind::Invalid { pointer } => Some(pointer),
            _ => None,
        }
    }

    #[test]
    fn a_message_is_tidied() {
        let message = form().accept().ok().flatten().expect("a message");
        assert_eq!((message.name.as_str(), message.email.as_str()), ("Anna", "anna@example.com"));
        assert_eq!(message.message, "Hello,\nis it open?");
    }

    #[test]
    fn no_field_can_add_a_header() {
        for wrong in [
            "A\r\nBcc: x@ex.com",
            "A\nB",
            "A\r",
            "\nA",
            "A\0",
            "A\u{85}B",
            "A\u{2028}B",
            "A\u{202E}B",
            "",
            "  ",
        ] {
            assert_eq!(
                pointer(NewContactMessage { name: wrong.to_owned(), ..form() }).as_deref(),
                Some("/name"),
                "{wrong:?}"
            );
            assert_eq!(
                pointer(NewContactMessage { subject: wrong.to_owned(), ..form() }).as_deref(),
                Some("/subject"),
                "{wrong:?}"
            );
        }
        for wrong in ["a@ex.com\r\nBcc: x@ex.com", "a@ex.com, b@ex.com", "a", ""] {
            assert_eq!(
                pointer(NewContactMessage { email: wrong.to_owned(), ..form() }).as_deref(),
                Some("/email"),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn lengths_count_characters() {
        let arabic = "م".repeat(SUBJECT);
        assert_eq!(pointer(NewContactMessage { subject: arabic.clone(), ..form() }), None);
        let longer = NewContactMessage { subject: arabic + "م", ..form() };
        assert_eq!(pointer(longer).as_deref(), Some("/subject"));
        let long = NewContactMessage { message: "a".repeat(MESSAGE + 1), ..form() };
        assert_eq!(pointer(long).as_deref(), Some("/message"));
        let bell = NewContactMessage { message: "a\u{7}".to_owned(), ..form() };
        assert_eq!(pointer(bell).as_deref(), Some("/message"));
    }

    #[test]
    fn a_program_is_told_nothing() {
        let filled = NewContactMessage { website: "https://spam.example".to_owned(), ..form() };
        assert_eq!(filled.accept(), Ok(None));
    }
}
