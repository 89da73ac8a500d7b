//! Sending writes, and telling what their failures mean.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    ConditionCheck, Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use serde::de::DeserializeOwned;

use super::item::{Attributes, Stored, read};
use super::write::{Change, Write};
use super::{Table, failed, full_jitter};
use crate::{Error, Result};

/// How often a write that met a transaction on the same item is tried.
const TRIES: u32 = 10;
/// The most writes that one transaction takes.
const MOST: usize = 100;

/// How a single write ended.
enum Ended {
    Done(Option<Attributes>),
    /// The condition did not hold; the item as it was.
    Refused(Option<Attributes>),
    /// A transaction was at work on the same item.
    Collided,
}

impl Table {
    /// Sends one write.
    ///
    /// # Errors
    /// What [`Write::or`] says when its condition fails; `unavailable`, `internal`.
    pub async fn write(&self, write: Write) -> Result<()> {
        if matches!(write.change, Change::Check) {
            return self.transact([write]).await;
        }
        match self.settle(&write).await? {
            Ended::Done(_) => Ok(()),
            Ended::Refused(_) | Ended::Collided => Err(write.into_failure()),
        }
    }

    /// Sends one update and reads what it left.
    ///
    /// # Errors
    /// What [`Write::or`] says when its condition fails; `unavailable`, `internal`.
    pub async fn update<T: DeserializeOwned>(&self, write: Write) -> Result<Stored<T>> {
        match self.settle(&write).await? {
            Ended::Done(Some(item)) => read(item),
            Ended::Done(None) => Err(Error::internal("only an update can be read back")),
            Ended::Refused(_) | Ended::Collided => Err(write.into_failure()),
        }
    }

    /// Sends one update; when its condition fails, the item as it was instead of an error.
    pub(crate) async fn try_update(
        &self,
        write: &Write,
    ) -> Result<std::result::Result<(), Option<Attributes>>> {
        match self.settle(write).await? {
            Ended::Done(_) => Ok(Ok(())),
            Ended::Refused(item) => Ok(Err(item)),
            Ended::Collided => Err(Error::Conflict),
        }
    }

    /// Sends up to 100 writes of different items: all or none.
    ///
    /// # Errors
    /// What [`Write::or`] of the first write says whose condition fails; `unavailable`, `internal`.
    pub async fn transact(&self, writes: impl IntoIterator<Item = Write>) -> Result<()> {
        let mut writes: Vec<Write> = writes.into_iter().collect();
        if writes.is_empty() {
            return Ok(());
        }
        // A lone write costs half of what a transaction of one does.
        if writes.len() == 1
            && let Some(write) = writes.pop_if(|write| !matches!(write.change, Change::Check))
        {
            return Box::pin(self.write(write)).await;
        }
        if writes.len() > MOST {
            return Err(Error::internal(format!(
                "{} writes in one transaction, {MOST} at most",
                writes.len()
            )));
        }
        let table = self.name()?;
        let items = writes.iter().map(|write| transacted(write, table)).collect::<Result<Vec<_>>>()?;
        let mut tries = 0;
        loop {
            let call = self.client.transact_write_items().set_transact_items(Some(items.clone()));
            let Err(error) = call.send().await else { return Ok(()) };
            let Some(reasons) = reasons(&error) else { return Err(failed(error)) };
            match verdict(&reasons, &writes) {
                Verdict::Refused(index) => return Err(writes.swap_remove(index).into_failure()),
                Verdict::Collided => {}
                Verdict::Broken => return Err(failed(error)),
            }
            tries += 1;
            pause(tries).await?;
        }
    }

    /// Sends a single write until no transaction is in its way.
    async fn settle(&self, write: &Write) -> Result<Ended> {
        write.sound()?;
        let mut tries = 0;
        loop {
            let ended = match &write.change {
                Change::Put(item) => self.put(write, item).await?,
                Change::Update { .. } => self.change(write).await?,
                Change::Delete => self.delete(write).await?,
                Change::Check => return Err(Error::internal("a check stands in a transaction only")),
            };
            if !matches!(ended, Ended::Collided) {
                return Ok(ended);
            }
            tries += 1;
            pause(tries).await?;
        }
    }

    async fn put(&self, write: &Write, item: &Attributes) -> Result<Ended> {
        let call = self
            .client
            .put_item()
            .table_name(self.name()?)
            .set_item(Some(item.clone()))
            .set_condition_expression(write.condition())
            .set_expression_attribute_names(write.placeholders.names())
            .set_expression_attribute_values(write.placeholders.values());
        match call.send().await {
            Ok(_) => Ok(Ended::Done(None)),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(Ended::Refused(None)),
                other => collided(other.and_then(ProvideErrorMetadata::code)).ok_or_else(|| failed(error)),
            },
        }
    }

    async fn change(&self, write: &Write) -> Result<Ended> {
        let call = self
            .client
            .update_item()
            .table_name(self.name()?)
            .set_key(Some(write.key.attributes()))
            .set_update_expression(write.update_expression())
            .set_condition_expression(write.condition())
            .set_expression_attribute_names(write.placeholders.names())
            .set_expression_attribute_values(write.placeholders.values())
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match call.send().await {
            Ok(answer) => Ok(Ended::Done(answer.attributes)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                    Ok(Ended::Refused(refusal.item.clone()))
                }
                other => collided(other.and_then(ProvideErrorMetadata::code)).ok_or_else(|| failed(error)),
            },
        }
    }

    async fn delete(&self, write: &Write) -> Result<Ended> {
        let call = self
            .client
            .delete_item()
            .table_name(self.name()?)
            .set_key(Some(write.key.attributes()))
            .set_condition_expression(write.condition())
            .set_expression_attribute_names(write.placeholders.names())
            .set_expression_attribute_values(write.placeholders.values());
        match call.send().await {
            Ok(_) => Ok(Ended::Done(None)),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(Ended::Refused(None)),
                other => collided(other.and_then(ProvideErrorMetadata::code)).ok_or_else(|| failed(error)),
            },
        }
    }
}

/// Waits before the next try, unless the tries are used up.
pub(super) async fn pause(tries: u32) -> Result<()> {
    if tries >= TRIES {
        let message = format!("busy with another transaction, or too much asked of it, in {TRIES} tries");
        return Err(Error::partner("dynamodb", true, message));
    }
    tokio::time::sleep(full_jitter(tries)).await;
    Ok(())
}

fn collided(code: Option<&str>) -> Option<Ended> {
    (code == Some("TransactionConflictException")).then_some(Ended::Collided)
}

fn transacted(write: &Write, table: &str) -> Result<TransactWriteItem> {
    write.sound()?;
    let (names, values) = (write.placeholders.names(), write.placeholders.values());
    let (key, condition) = (Some(write.key.attributes()), write.condition());
    let item = TransactWriteItem::builder();
    let item = match &write.change {
        Change::Put(attributes) => item.put(
            Put::builder()
                .table_name(table)
                .set_item(Some(attributes.clone()))
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build()
                .map_err(Error::caused)?,
        ),
        Change::Update { .. } => item.update(
            Update::builder()
                .table_name(table)
                .set_key(key)
                .set_update_expression(write.update_expression())
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build()
                .map_err(Error::caused)?,
        ),
        Change::Delete => item.delete(
            Delete::builder()
                .table_name(table)
                .set_key(key)
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build()
                .map_err(Error::caused)?,
        ),
        Change::Check => item.condition_check(
            ConditionCheck::builder()
                .table_name(table)
                .set_key(key)
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .build()
                .map_err(Error::caused)?,
        ),
    };
    Ok(item.build())
}

/// Why a transaction was cancelled: a code for each write. `None` if it failed otherwise.
fn reasons<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<Vec<String>> {
    match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => {
            let reasons = cancelled.cancellation_reasons();
            Some(reasons.iter().map(|reason| reason.code().unwrap_or("None").to_owned()).collect())
        }
        // Our own repeat of a call that is still being worked on.
        TransactWriteItemsError::TransactionInProgressException(_) => {
            Some(vec!["TransactionConflict".to_owned()])
        }
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// This write's condition does not hold.
    Refused(usize),
    /// Somebody was in the way; the same transaction may succeed now.
    Collided,
    /// It can never succeed.
    Broken,
}

fn verdict(reasons: &[String], writes: &[Write]) -> Verdict {
    let refused = |index: &usize| reasons.get(*index).is_some_and(|code| code == "ConditionalCheckFailed");
    let decisive = (0..writes.len()).find(|index| refused(index) && writes[*index].decisive);
    if let Some(index) = decisive.or_else(|| (0..writes.len()).find(refused)) {
        return Verdict::Refused(index);
    }
    let passing = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
    let mut codes = reasons.iter().filter(|code| *code != "None").peekable();
    if codes.peek().is_some() && codes.all(|code| passing.contains(&code.as_str())) {
        Verdict::Collided
    } else {
        Verdict::Broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Key;

    fn judge(codes: &[&str], decisive: Option<usize>) -> Verdict {
        let write = |index| {
            let write = Write::delete(Key::new("a", "b"));
            if decisive == Some(index) { write.decisive() } else { write }
        };
        let writes: Vec<_> = (0..codes.len()).map(write).collect();
        let codes: Vec<_> = codes.iter().map(|code| (*code).to_owned()).collect();
        verdict(&codes, &writes)
    }

    #[test]
    fn the_first_refused_write_speaks_unless_another_is_decisive() {
        let failed = "ConditionalCheckFailed";
        assert_eq!(judge(&["None", failed, failed], None), Verdict::Refused(1));
        assert_eq!(judge(&["None", failed, failed], Some(2)), Verdict::Refused(2));
        assert_eq!(judge(&["TransactionConflict", failed], None), Verdict::Refused(1));
    }

    #[test]
    fn only_what_passes_is_tried_again() {
        assert_eq!(judge(&["None", "TransactionConflict"], None), Verdict::Collided);
        assert_eq!(judge(&["ThrottlingError", "TransactionConflict"], None), Verdict::Collided);
        assert_eq!(judge(&["ValidationError", "TransactionConflict"], None), Verdict::Broken);
        assert_eq!(judge(&["None"], None), Verdict::Broken);
    }
}
