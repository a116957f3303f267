//! What would go out by itself in the next days, to whom and when, and what would not and why (G9).
//!
//! The rules are those of the run of the day and of whoever delivers; they are asked about each day to come,
//! with what is stored now settled as of then. Nothing is kept and nothing is sent. What waits already comes
//! first, then what falls due day by day, and at last what would fall due if it were not frozen.
//!
//! Deliberately absent: what nobody can foresee, which is all that is told because somebody did something.

mod judge;

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::business::Business;
use crate::domain::calendar;
use crate::domain::email::Email;
use crate::domain::notice::{DropReason, NoticeKind, Window};
use crate::domain::package::Package;
use crate::domain::template_emails::ReminderPolicies;
use crate::ids::{BusinessId, CustomerId, EmailId, PackageId};
use crate::service::call::Call;
use crate::service::context::Context;
use crate::service::error::ServiceError;
use crate::service::mail_plan::{self, Known, MailPlan, Purpose};
use crate::service::resolve;
use crate::store::{businesses, emails, mail_days, notices, packages, template_versions};

use self::judge::{Judge, Moment};

/// How many packages or e-mails are read at once.
const CHUNK_MAX: u64 = 100;
/// How many times one call reads: a bound on its time, where little of what it reads is anything to tell.
const READS_PER_CALL_MAX: u32 = 300;

/// Which page of what is to come.
#[derive(Clone, Debug)]
pub struct UpcomingList {
    /// Through how many days after today.
    pub days: u32,
    /// Where the page begins; none: at the beginning.
    pub from: Option<Place>,
    /// How many at most.
    pub limit: usize,
}

/// A page of what is to come.
#[derive(Clone, Debug, Default)]
pub struct UpcomingPage {
    /// What is on it; there can be less than asked for although more comes.
    pub notices: Vec<Upcoming>,
    /// Where the next page begins; none: this is the last.
    pub next: Option<Place>,
}

/// One fact that a customer would be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// What kind of fact.
    pub kind: NoticeKind,
    /// The package that it is about.
    pub package_id: PackageId,
    /// What the package is called.
    pub package_name: String,
    /// Who would be told.
    pub customer_id: CustomerId,
    /// What the customer is called.
    pub customer_name: String,
    /// Where the e-mail would go.
    pub to_email: Option<String>,
    /// For a reminder, its lead.
    pub lead_days: Option<i32>,
    /// When it would go out.
    pub send_at: DateTime<Utc>,
    /// Why it would not.
    pub withheld: Option<DropReason>,
    /// The e-mail that waits already.
    pub email_id: Option<EmailId>,
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    stage: Stage,
    /// How much of what is read there was on earlier pages.
    skip: usize,
}

/// What is read next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Stage {
    /// E-mails that wait, behind this one.
    Waiting(Option<(DateTime<Utc>, EmailId)>),
    /// Packages of a range of a day, behind this one.
    Day(NaiveDate, usize, Option<(DateTime<Utc>, PackageId)>),
    /// Frozen packages, behind this one.
    Frozen(Option<PackageId>),
}

/// What was read at once.
struct Chunk {
    rows: Vec<Upcoming>,
    next: Option<Stage>,
}

/// A look ahead at one business.
struct Look<'a> {
    ctx: &'a Context,
    business: Business,
    policies: ReminderPolicies,
    last_done: Option<NaiveDate>,
    first_day: NaiveDate,
    last_day: NaiveDate,
    now: DateTime<Utc>,
}

/// A page of what is to come of the caller's business.
pub async fn list(
    ctx: &Context,
    call: &Call,
    input: &UpcomingList,
) -> Result<UpcomingPage, ServiceError> {
    of_business(ctx, call.business_id(), input).await
}

/// A page of what is to come of any business: for the operator of the server.
///
/// # Errors
/// [`crate::domain::refusal::Refusal::NotFound`].
pub async fn of_business(
    ctx: &Context,
    id: BusinessId,
    input: &UpcomingList,
) -> Result<UpcomingPage, ServiceError> {
    let look = Look::begin(ctx, id, input.days).await?;
    let mut place = input.from.clone().unwrap_or(Place {
        stage: Stage::Waiting(None),
        skip: 0,
    });
    let mut page = UpcomingPage::default();
    for _ in 0..READS_PER_CALL_MAX {
        let chunk = Box::pin(look.read(&place.stage)).await?;
        let room = input.limit.saturating_sub(page.notices.len());
        let behind = place.skip.saturating_add(room);
        let is_cut = chunk.rows.len() > behind;
        let rows = chunk.rows.into_iter().skip(place.skip).take(room);
        page.notices.extend(rows);
        if is_cut {
            place.skip = behind;
            page.next = Some(place);
            return Ok(page);
        }
        let Some(stage) = chunk.next else {
            return Ok(page);
        };
        place = Place { stage, skip: 0 };
        if page.notices.len() >= input.limit {
            break;
        }
    }
    page.next = Some(place);
    Ok(page)
}

impl<'a> Look<'a> {
    async fn begin(ctx: &'a Context, id: BusinessId, days: u32) -> Result<Self, ServiceError> {
        let reader = ctx.db.reader();
        let found = businesses::get(reader, id).await?;
        let business = found.ok_or_else(|| resolve::not_found("business", &id))?;
        let now = ctx.clock.now();
        let today = calendar::local_day(now, business.zone);
        let last_done = mail_days::last_done(reader, id).await?;
        let after_last = last_done.and_then(|day| day.succ_opt());
        let last_day = today.checked_add_days(Days::new(u64::from(days)));
        Ok(Self {
            ctx,
            policies: template_versions::reminder_policies(reader, &business).await?,
            business,
            last_done,
            first_day: after_last.map_or(today, |day| day.max(today)),
            last_day: last_day.unwrap_or(today),
            now,
        })
    }

    async fn read(&self, stage: &Stage) -> Result<Chunk, ServiceError> {
        match stage {
            Stage::Waiting(after) => self.read_waiting(*after).await,
            Stage::Day(day, range, after) => self.read_day(*day, *range, *after).await,
            Stage::Frozen(after) => self.read_frozen(*after).await,
        }
    }

    async fn read_waiting(
        &self,
        after: Option<(DateTime<Utc>, EmailId)>,
    ) -> Result<Chunk, ServiceError> {
        let (reader, business_id) = (self.ctx.db.reader(), self.business.id);
        let waiting = emails::waiting(reader, business_id, after, CHUNK_MAX).await?;
        let ids: Vec<EmailId> = waiting.iter().map(|email| email.id).collect();
        let mut told = notices::of_emails(reader, business_id, &ids).await?;
        for notices in told.values_mut() {
            notices.retain(|notice| notice.dropped.is_none());
        }
        let package_ids: Vec<PackageId> = told.values().flatten().map(|it| it.package_id).collect();
        let page = packages::by_ids(reader, business_id, &package_ids).await?;
        let addressed = waiting.iter().filter_map(|email| {
            let text = email.text.as_ref();
            let to_address = text.map(|text| text.to_address.as_str());
            Some((email.customer_id?, to_address))
        });
        let judge = Judge::read(self, &page, addressed).await?;
        let rows = waiting.iter().flat_map(|email| {
            let notices = told.get(&email.id).map(Vec::as_slice).unwrap_or_default();
            judge.of_email(email, notices, &page)
        });
        Ok(Chunk {
            rows: rows.collect(),
            next: Some(match last_of_full(&waiting) {
                Some(last) => Stage::Waiting(Some((last.due_at, last.id))),
                None => Stage::Day(self.first_day, 0, None),
            }),
        })
    }

    async fn read_day(
        &self,
        day: NaiveDate,
        range: usize,
        after: Option<(DateTime<Utc>, PackageId)>,
    ) -> Result<Chunk, ServiceError> {
        let empty = |next| Chunk {
            rows: Vec::new(),
            next: Some(next),
        };
        if day > self.last_day {
            return Ok(empty(Stage::Frozen(None)));
        }
        let plan = self.plan_of(day);
        let (Some(ends), Some(moment)) = (plan.ranges().get(range).copied(), self.moment(day))
        else {
            return Ok(empty(match day.succ_opt() {
                Some(next_day) => Stage::Day(next_day, 0, None),
                None => Stage::Frozen(None),
            }));
        };
        let (reader, business_id) = (self.ctx.db.reader(), self.business.id);
        let page = packages::ending_between(reader, business_id, ends, after, CHUNK_MAX).await?;
        let told = page.iter().map(|package| (package.customer_id, None));
        let judge = Judge::read(self, &page, told).await?;
        let next = last_of_full(&page).and_then(|last| Some((last.expires_at?, last.id)));
        Ok(Chunk {
            rows: judge.of_packages(&plan, &page, moment),
            next: Some(match next {
                Some(position) => Stage::Day(day, range, Some(position)),
                None => Stage::Day(day, range.saturating_add(1), None),
            }),
        })
    }

    async fn read_frozen(&self, after: Option<PackageId>) -> Result<Chunk, ServiceError> {
        let (reader, business_id) = (self.ctx.db.reader(), self.business.id);
        let page = packages::frozen(reader, business_id, after, CHUNK_MAX).await?;
        let told = page.iter().map(|package| (package.customer_id, None));
        let judge = Judge::read(self, &page, told).await?;
        let mut rows = Vec::new();
        for package in page.chunks(1) {
            let days = self.first_day.iter_days();
            for day in days.take_while(|day| *day <= self.last_day) {
                if let Some(moment) = self.moment(day) {
                    rows.extend(judge.of_packages(&self.plan_of(day), package, moment));
                }
            }
        }
        Ok(Chunk {
            rows,
            next: last_of_full(&page).map(|last| Stage::Frozen(Some(last.id))),
        })
    }

    /// What the run of a day will look for: the first also makes up for days that had none.
    fn plan_of(&self, day: NaiveDate) -> MailPlan {
        let last_done = if day == self.first_day {
            self.last_done
        } else {
            day.pred_opt()
        };
        MailPlan {
            business: self.business.clone(),
            purpose: Purpose::LookAhead,
            today: day,
            window: Window::after(last_done, day),
            policies: self.policies.clone(),
        }
    }

    /// When the run of a day will take place.
    fn moment(&self, day: NaiveDate) -> Option<Moment> {
        let due_at = mail_plan::due_at(&self.business, day)?;
        Some(Moment(due_at.max(self.now)))
    }

    /// The end of the last day.
    fn horizon(&self) -> DateTime<Utc> {
        calendar::end_of(self.last_day, self.business.zone).unwrap_or(self.now)
    }

    async fn known(&self, page: &[Package]) -> Result<Known, ServiceError> {
        let moments = (self.now, self.horizon());
        Known::read(self.ctx.db.reader(), &self.business, page, moments).await
    }
}

/// The last of what was read, if there may be more behind it.
fn last_of_full<T>(read: &[T]) -> Option<&T> {
    let is_full = u64::try_from(read.len()).is_ok_and(|length| length >= CHUNK_MAX);
    read.last().filter(|_| is_full)
}

/// When whoever delivers will come to an e-mail that waits.
fn comes_up_at(email: &Email, now: DateTime<Utc>) -> Moment {
    Moment(email.lease_until.unwrap_or(email.due_at).max(now))
}
