//! Sending: who may send from where and how much, and the mail as it leaves.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::answer::AwsError;
use super::super::form::Form;
use super::super::ids;
use super::super::xml;
use super::Ses;
use super::mail::Mail;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MOST_RECIPIENTS: usize = 50;
const MOST_BYTES: usize = 10 * 1_024 * 1_024;

/// A mail that is asked for.
pub(super) struct Letter {
    from: String,
    to: Vec<String>,
    raw: String,
    pub(super) configuration_set: Option<String>,
    /// Tags of the message, by which its events can be told apart.
    pub(super) tags: Vec<(String, String)>,
}

impl Letter {
    /// Reads the request of either operation.
    pub(super) fn read(operation: &str, form: &Form, region: &str) -> Result<Self, AwsError> {
        if operation == "SendRawEmail" { Self::read_raw(form) } else { Self::read_parts(form, region) }
    }

    fn read_raw(form: &Form) -> Result<Self, AwsError> {
        let data = STANDARD.decode(form.text("RawMessage.Data"));
        let raw = data.ok().and_then(|data| String::from_utf8(data).ok()).filter(|raw| !raw.is_empty());
        let raw = raw.ok_or_else(|| {
            AwsError::bad("InvalidParameterValue", "Missing or unreadable RawMessage.Data.")
        })?;
        let header = |name: &str| header(&raw, name);
        let from = form.get("Source").map(str::to_owned).or_else(|| header("From")).unwrap_or_default();
        let mut to: Vec<String> = form.list("Destinations").iter().map(|to| address(to)).collect();
        if to.is_empty() {
            let listed = ["To", "Cc", "Bcc"].into_iter().filter_map(header);
            to = listed.flat_map(|list| addresses(&list)).collect();
        }
        let configuration_set =
            form.get("ConfigurationSetName").map(str::to_owned).or_else(|| header("X-SES-CONFIGURATION-SET"));
        let mut tags = form.pairs("Tags", "Name", "Value");
        let in_header = header("X-SES-MESSAGE-TAGS").unwrap_or_default();
        tags.extend(
            in_header
                .split(',')
                .filter_map(|tag| tag.trim().split_once('='))
                .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())),
        );
        Ok(Self { from, to, raw, configuration_set, tags })
    }

    fn read_parts(form: &Form, region: &str) -> Result<Self, AwsError> {
        let from = form.text("Source").to_owned();
        let lists = ["ToAddresses", "CcAddresses", "BccAddresses"]
            .map(|list| form.list(&format!("Destination.{list}")));
        let to = lists.iter().flatten().map(|to| address(to)).collect();
        let parts = [("Text", "text/plain"), ("Html", "text/html")];
        let bodies = parts
            .iter()
            .filter_map(|(part, kind)| Some((*kind, form.get(&format!("Message.Body.{part}.Data"))?)));
        let raw =
            mime(&from, &lists[0], form.text("Message.Subject.Data"), &bodies.collect::<Vec<_>>(), region);
        let configuration_set = form.get("ConfigurationSetName").map(str::to_owned);
        Ok(Self { from, to, raw, configuration_set, tags: form.pairs("Tags", "Name", "Value") })
    }

    /// The sender's plain address.
    pub(super) fn sender(&self) -> String {
        address(&self.from)
    }
}

impl Ses {
    pub(super) async fn send(&self, operation: &str, form: &Form) -> Result<String, AwsError> {
        let letter = Letter::read(operation, form, &self.region)?;
        self.admit(&letter)?;
        let now = self.clock.now();
        let id = format!("0102{:012x}-{}-000000", now.as_millis(), ids::uuid());
        let Letter { from, to, raw, configuration_set, tags } = letter;
        let mail = Mail { id, from, to, raw, configuration_set, at: now };
        self.keep(&mail)?;
        self.publish(&mail, &tags).await?;
        Ok(xml::text("MessageId", mail.id))
    }

    fn admit(&self, letter: &Letter) -> Result<(), AwsError> {
        let from = letter.sender();
        if letter.to.is_empty() || letter.to.len() > MOST_RECIPIENTS {
            let told =
                format!("Recipient count is {}, must be between 1 and {MOST_RECIPIENTS}.", letter.to.len());
            return Err(AwsError::bad("InvalidParameterValue", told));
        }
        if let Some(odd) = letter.to.iter().find(|to| !is_address(to)) {
            return Err(AwsError::bad("InvalidParameterValue", format!("Illegal address: {odd}")));
        }
        if letter.raw.len() > MOST_BYTES {
            return Err(AwsError::bad(
                "InvalidParameterValue",
                "Message length is more than 10485760 bytes long.",
            ));
        }
        if self.sender_of(&from).is_none() {
            let region = self.region.to_uppercase();
            let told = format!(
                "Email address is not verified. The following identities failed the check in region {region}: {from}"
            );
            return Err(AwsError::bad("MessageRejected", told));
        }
        if let Some(set) = &letter.configuration_set
            && self.configuration_sets.get(set).is_none()
        {
            let told = format!("Configuration set <{set}> does not exist.");
            return Err(AwsError::bad("ConfigurationSetDoesNotExist", told));
        }
        let quota = self.quota();
        let more = u32::try_from(letter.to.len()).unwrap_or(u32::MAX);
        let now = self.clock.now();
        let over = |message: &'static str| Err(AwsError::bad("Throttling", message));
        if self.sent_since(now - DAY)?.saturating_add(more) > quota.a_day {
            return over("Daily message quota exceeded.");
        }
        if let Some(rate) = quota.a_second
            && self.sent_since(now - Duration::from_secs(1))?.saturating_add(more) > rate
        {
            return over("Maximum sending rate exceeded.");
        }
        Ok(())
    }

    pub(super) fn send_quota(&self) -> Result<String, AwsError> {
        let quota = self.quota();
        let sent = self.sent_since(self.clock.now() - DAY)?;
        let fields = [
            xml::text("Max24HourSend", format!("{}.0", quota.a_day)),
            xml::text("MaxSendRate", format!("{}.0", quota.a_second.unwrap_or(14))),
            xml::text("SentLast24Hours", format!("{sent}.0")),
        ];
        Ok(fields.concat())
    }
}

/// The value of a header of a MIME message, unfolded.
pub(super) fn header(raw: &str, name: &str) -> Option<String> {
    let mut lines = raw.lines().take_while(|line| !line.is_empty()).peekable();
    while let Some(line) = lines.next() {
        let Some((found, value)) = line.split_once(':') else { continue };
        if !found.eq_ignore_ascii_case(name) {
            continue;
        }
        let mut value = value.trim().to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with([' ', '\t'])) {
            value.push(' ');
            value.push_str(more.trim());
        }
        return Some(value);
    }
    None
}

/// The plain address in `Anna <anna@example.com>`.
pub(super) fn address(text: &str) -> String {
    let inner =
        text.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or(text, |(inner, _)| inner);
    inner.trim().to_owned()
}

/// The plain addresses of a list; commas inside quotation marks do not part.
fn addresses(list: &str) -> Vec<String> {
    let mut quoted = false;
    let parts = list.split(|character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    });
    parts.map(address).filter(|address| !address.is_empty()).collect()
}

fn is_address(text: &str) -> bool {
    let odd = |character: char| {
        character.is_whitespace() || character.is_control() || matches!(character, '<' | '>' | ',')
    };
    matches!(text.rsplit_once('@'), Some((local, domain)) if !local.is_empty() && !domain.is_empty())
        && !text.contains(odd)
}

/// The message that SES makes of the parts of SendEmail.
fn mime(from: &str, to: &[String], subject: &str, bodies: &[(&str, &str)], region: &str) -> String {
    let subject = STANDARD.encode(subject);
    let boundary = ids::hex(24);
    let to = to.join(", ");
    let id = ids::uuid();
    let mut raw = format!(
        "From: {from}\r\nTo: {to}\r\nSubject: =?UTF-8?B?{subject}?=\r\nMessage-ID: <{id}@{region}.amazonses.com>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=\"{boundary}\"\r\n\r\n"
    );
    for (kind, body) in bodies {
        raw.push_str(&format!(
            "--{boundary}\r\nContent-Type: {kind}; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        ));
        let encoded = STANDARD.encode(body);
        for line in encoded.as_bytes().chunks(76) {
            raw.push_str(&String::from_utf8_lossy(line));
            raw.push_str("\r\n");
        }
    }
    raw + &format!("--{boundary}--\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_out_of_lists() {
        assert_eq!(addresses("\"B, Anna\" <a@x.org>, c@x.org"), ["a@x.org", "c@x.org"]);
    }

    #[test]
    fn folded_headers_are_unfolded() {
        let raw = "From: a@x.org\r\nTo: b@x.org,\r\n c@x.org\r\n\r\nTo: no@x.org";
        assert_eq!(header(raw, "to").as_deref(), Some("b@x.org, c@x.org"));
        assert_eq!(header(raw, "cc"), None);
    }
}
