//! `POST /v1/hosting/sites/{site}/emails`: send a mail from a site's verified domain, counted against the plan's month.

use aws_sdk_ses::Client;
use aws_sdk_ses::config::retry::RetryConfig;
use aws_sdk_ses::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ses::operation::send_email::builders::SendEmailFluentBuilder;
use aws_sdk_ses::types::{Body, Content, Destination, Message, MessageTag};
use domain::hosting::Site;
use domain::hosting::mailing::NewMail;
use hosting::Hosting;
use hosting::mail_events::{ORG_TAG, SITE_TAG};
use platform::auth::Member;
use platform::http::{self, Call, Limit, MINUTE, Reply};
use platform::{App, Error, Exit, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A mail that SES has taken.
#[derive(Serialize, JsonSchema)]
struct Taken {
    /// SES's name for it.
    message_id: String,
    /// The address that it comes from.
    from: String,
}

#[derive(Deserialize)]
struct Settings {
    site_mail_configuration_set: String,
}

fn main() -> Exit {
    http::limit(&[Limit::per_org(120, MINUTE)]).serve(send_email)
}

async fn send_email(app: App, call: Call<Member, NewMail>) -> Result<Reply<Taken, 202>> {
    let hosting = Hosting::of(&app, call.caller.org());
    let site = hosting.site(call.id("site")?).await?;
    let (plan, most) = site.may_mail(&call.caller.entitlements)?;
    let sender = hosting.sender(&site).await?;
    let from = call.body.check(&sender.domain)?;
    sender.may_send()?;
    hosting.mail_standing(site.id).await?.may_send()?;
    let prepared = prepare(&app, &call.body, &from, &site)?;
    // Nobody reads a mail twice because it was asked for twice at once.
    hosting.count_mail(plan, most, call.begun(), call.now).await?;
    match hand_over(prepared).await {
        Ok(message_id) => Ok(Reply::accepted(Taken { message_id, from })),
        Err(error) => {
            // What SES refused, or was too busy for, did not leave.
            if matches!(error, Error::Refused { .. } | Error::Limited { .. }) {
                hosting.uncount_mail(call.ended(), call.now).await?;
            }
            Err(error)
        }
    }
}

fn prepare(app: &App, mail: &NewMail, from: &str, site: &Site) -> Result<SendEmailFluentBuilder> {
    let settings: Settings = app.config()?;
    // The SDK must not repeat a call whose outcome it does not know: that would be a mail sent twice.
    let config = aws_sdk_ses::config::Builder::from(app.aws()).retry_config(RetryConfig::disabled());
    let content = |text: &str| Content::builder().data(text).charset("UTF-8").build().map_err(Error::caused);
    let html = mail.html.as_deref().map(content).transpose()?;
    let body = Body::builder().text(content(&mail.text)?).set_html(html).build();
    let message = Message::builder().subject(content(&mail.subject)?).body(body).build();
    let tags = [(ORG_TAG, site.org.to_string()), (SITE_TAG, site.id.to_string())];
    let tags = tags.map(|(name, value)| MessageTag::builder().name(name).value(value).build());
    let tags = tags.into_iter().collect::<Result<_, _>>().map_err(Error::caused)?;
    Ok(Client::from_conf(config.build())
        .send_email()
        .source(from)
        .destination(Destination::builder().to_addresses(mail.to.as_str()).build())
        .message(message)
        .configuration_set_name(&settings.site_mail_configuration_set)
        .set_reply_to_addresses(mail.reply_to.as_ref().map(|to| vec![to.as_str().to_owned()]))
        .set_tags(Some(tags)))
}

async fn hand_over(prepared: SendEmailFluentBuilder) -> Result<String> {
    match prepared.send().await {
        Ok(answer) => Ok(answer.message_id),
        Err(SdkError::ServiceError(answer)) if answer.raw().status().as_u16() < 500 => {
            let code = answer.err().code().unwrap_or("Unknown");
            if code == "Throttling" {
                return Err(Error::Limited { retry_after: std::time::Duration::from_secs(60) });
            }
            Err(Error::refused("mail_rejected", format!("SES does not take the mail: {code}.")))
        }
        Err(error) => Err(Error::aws("ses", error)),
    }
}
