//! Invoices and payment methods, as Stripe has them; quotes.

use domain::billing::{Invoice, PaymentMethod, Quote, Subscription, Transition};
use domain::{OrgId, QuoteId, Timestamp};
use platform::event::Origin;
use platform::store::{Index, LastKey, Page, Query, Stored, Write};
use platform::{Error, Result};

use super::{Billing, BillingOfAll, keys, when_due};
use crate::tell::envelope;

const CARD_DUE: &str = "CARD";

impl Billing {
    /// An invoice by Stripe's id; `None` if it is none of the organisation's.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn invoice(&self, stripe_id: &str) -> Result<Option<Stored<Invoice>>> {
        let Some(place) =
            self.table.get_consistent::<Place>(&keys::invoice_place(self.org, stripe_id)).await?
        else {
            return Ok(None);
        };
        self.table.get_consistent(&keys::invoice(self.org, place.created_at, stripe_id)).await
    }

    /// The organisation's invoices, newest first.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn invoices(&self, limit: u32, after: Option<LastKey>) -> Result<Page<Invoice>> {
        let invoices = Query::pk(keys::partition(self.org)).begins(keys::INVOICE).reverse();
        self.table.query(invoices.limit(limit).after(after)).await
    }

    /// The writes of an invoice as Stripe has it now.
    #[must_use]
    pub fn invoiced(
        &self,
        was: Option<&Stored<Invoice>>,
        transition: &Transition<Invoice>,
        origin: &Origin,
    ) -> Vec<Write> {
        let invoice = &transition.next;
        let write = match was {
            Some(was) => Write::replace(was, invoice),
            None => {
                Write::create(keys::invoice(self.org, invoice.created_at, &invoice.id), "invoice", invoice)
                    .or(Error::Conflict)
            }
        };
        let write = match &transition.event {
            Some(event) => write.event(envelope(origin, self.org, event)),
            None => write,
        };
        let place = was.is_none().then(|| {
            let place = Place { org: self.org, created_at: invoice.created_at };
            let write = Write::put(keys::invoice_place(self.org, &invoice.id), "invoice_place", &place);
            write.index(Index::Gsi1, keys::by_stripe(&invoice.id), "INVOICE")
        });
        [write].into_iter().chain(place).collect()
    }

    /// What the organisation can pay with.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn payment_methods(&self) -> Result<Vec<Stored<PaymentMethod>>> {
        let methods = Query::pk(keys::partition(self.org)).begins(keys::METHOD).consistent();
        self.table.query_all(methods).await
    }

    /// One payment method.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn payment_method(&self, id: &str) -> Result<Stored<PaymentMethod>> {
        self.table.get_consistent(&keys::method(self.org, id)).await?.ok_or(Error::NotFound)
    }

    /// The write of a payment method as Stripe has it now.
    #[must_use]
    pub fn put_method(&self, was: Option<&Stored<PaymentMethod>>, is: &PaymentMethod) -> Write {
        let write = match was {
            Some(was) => Write::replace(was, is),
            None => Write::create(keys::method(self.org, &is.id), "payment_method", is).or(Error::Conflict),
        };
        let write = write.index(Index::Gsi1, keys::by_stripe(&is.id), "METHOD");
        when_due(write, CARD_DUE, self.org, is.next_at, &is.id)
    }

    /// Tells of a card that ends soon, if that is due. Answers whether it was.
    ///
    /// # Errors
    /// `version_conflict` when another write came between.
    pub async fn warn(&self, method: &str, origin: &Origin) -> Result<bool> {
        let stored = match self.payment_method(method).await {
            Err(Error::NotFound) => return Ok(false),
            found => found?,
        };
        let transition = stored.value.warn(origin.now);
        let Some(event) = &transition.event else { return Ok(false) };
        let write = self.put_method(Some(&stored), &transition.next).event(envelope(origin, self.org, event));
        self.table.write(write).await.map(|()| true)
    }

    /// Keeps a quote, until a day after it is no good any more.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn offer(&self, quote: &Quote, once: Option<Write>) -> Result<()> {
        let write = Write::create(keys::quote(self.org, quote.id), "quote", quote);
        let write = write.expires_at(quote.valid_until + std::time::Duration::from_secs(24 * 3_600));
        self.table.transact([write].into_iter().chain(once)).await
    }

    /// A quote.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn quote(&self, id: QuoteId) -> Result<Stored<Quote>> {
        self.table.get_consistent(&keys::quote(self.org, id)).await?.ok_or(Error::NotFound)
    }

    /// The writes that take a quote: of two who do, one has it, and of two quotes for the same subscription, one is good.
    #[must_use]
    pub fn taken(
        &self,
        quote: &Stored<Quote>,
        used: &Quote,
        subscription: &Stored<Subscription>,
    ) -> Vec<Write> {
        let taken = Error::refused("quote_used", "The quote was taken; ask for another one.");
        let message = "The subscription was changed since the quote was made; ask for another one.";
        let changed = Error::refused("subscription_changed", message);
        vec![
            Write::replace(quote, used).or(taken),
            Write::replace(subscription, &used.changing(subscription)).or(changed),
        ]
    }
}

impl BillingOfAll {
    /// Whose invoice this is.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn invoiced_to(&self, stripe_id: &str) -> Result<OrgId> {
        let found = Query::pk(keys::by_stripe(stripe_id)).index(Index::Gsi1).limit(1);
        let page = self.table.query::<Place>(found).await?;
        page.values().next().map(|place| place.org).ok_or(Error::NotFound)
    }

    /// Whose payment method this is, or was until now; `None` for one that is nobody's.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn holder(&self, method: &str) -> Result<Option<OrgId>> {
        let found = Query::pk(keys::by_stripe(method)).index(Index::Gsi1).limit(1);
        let page = self.table.query::<PaymentMethod>(found).await?;
        Ok(page.values().next().map(|method| method.org))
    }

    /// Cards in one shard whose end is to be told.
    ///
    /// # Errors
    /// `unavailable`, `internal`.
    pub async fn due_cards(&self, shard: u128, now: Timestamp) -> Result<Vec<Stored<PaymentMethod>>> {
        let due = Query::pk(keys::due_shard(CARD_DUE, shard)).index(Index::Gsi2).up_to(format!("{now}~"));
        self.table.query_all(due).await
    }
}

/// Where an invoice lies: they are kept in the order in which they were made.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Place {
    org: OrgId,
    created_at: Timestamp,
}
