//! Groups of customers, who use the packages of their group together (B2, semantics 30).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::domain::customer::fold;
use crate::ids::{CustomerId, GroupId};

/// A group of customers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The group.
    pub id: GroupId,
    /// The caller's own id of it.
    pub external_id: Option<String>,
    /// What it is called.
    pub name: String,
    /// Who gets its e-mails and stands for it when it buys; always one of its members.
    pub contact_id: CustomerId,
    /// Whether packages can be sold to it.
    pub active: bool,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// How often it changed, its members included; the caller's etag.
    pub version: i64,
}

impl Group {
    /// What a search looks through, folded; the fields lie on lines of their own.
    pub fn search_text(&self) -> String {
        let external_id = self.external_id.as_deref().unwrap_or_default();
        fold(&format!("{}\n{external_id}", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_a_group_by_its_name_and_by_its_own_id() {
        let group = Group {
            id: GroupId::generate(DateTime::UNIX_EPOCH),
            external_id: Some("CRM-7".to_owned()),
            name: "Õunapuu".to_owned(),
            contact_id: CustomerId::generate(DateTime::UNIX_EPOCH),
            active: true,
            created_at: DateTime::UNIX_EPOCH,
            version: 1,
        };
        assert_eq!(group.search_text(), "õunapuu\ncrm-7");
    }
}
