//! Every "no" about who holds packages: customers, groups, and those who share.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::domain::customer::Open;
use crate::domain::use_limit::Allowance;
use crate::ids::{CustomerId, GroupId, PackageId};

/// Why a command about holders of packages was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HolderRefusal {
    /// An address belongs to several customers.
    #[error("several customers have this e-mail address: {}", listed(customer_ids))]
    AmbiguousCustomer {
        /// Some of them.
        customer_ids: Vec<CustomerId>,
    },
    /// The customer was merged into another one, who is to be named instead.
    #[error("customer {customer_id} was merged into {merged_into}")]
    CustomerMerged {
        /// The customer who was named.
        customer_id: CustomerId,
        /// Who took its place.
        merged_into: CustomerId,
    },
    /// What was known of the customer was erased.
    #[error("customer {customer_id} was erased")]
    CustomerErased {
        /// The customer.
        customer_id: CustomerId,
        /// When.
        erased_at: DateTime<Utc>,
    },
    /// Something of the customer is open, so it is not erased.
    #[error(
        "customer {customer_id} is not erased while something is open: {}",
        counted(open)
    )]
    CustomerHasOpen {
        /// The customer.
        customer_id: CustomerId,
        /// How much of what.
        open: Open,
    },
    /// Nothing can be sold to the group.
    #[error("group {group_id} is not active")]
    GroupInactive {
        /// The group.
        group_id: GroupId,
    },
    /// The customer used as much of the package as the limit of a day or a week allows.
    #[error(
        "package {package_id} may be used for {} credits per {}; {} are used or held",
        allowance.limit,
        allowance.period.as_str(),
        allowance.used
    )]
    UseLimit {
        /// The package.
        package_id: PackageId,
        /// What its limit leaves.
        allowance: Allowance,
    },
    /// More customers are to share a package than may.
    #[error("{requested} customers are to share a package that {share_max} may share")]
    ShareLimitExceeded {
        /// How many may.
        share_max: i32,
        /// How many there would be.
        requested: usize,
    },
    /// The customer owns the package or is a member already.
    #[error("customer {customer_id} is a member of {of} already")]
    AlreadyMember {
        /// The package or group.
        of: String,
        /// The customer.
        customer_id: CustomerId,
    },
    /// The customer is no member.
    #[error("customer {customer_id} is no member of {of}")]
    NotAMember {
        /// The package or group.
        of: String,
        /// The customer.
        customer_id: CustomerId,
    },
    /// The owner of a package and the contact of a group cannot be removed from it.
    #[error("customer {customer_id} is the owner or contact of {of} and cannot be removed")]
    MemberIsOwner {
        /// The package or group.
        of: String,
        /// The customer.
        customer_id: CustomerId,
    },
    /// A customer cannot take its own place.
    #[error("customer {customer_id} cannot be merged into itself")]
    MergedIntoItself {
        /// The customer.
        customer_id: CustomerId,
    },
    /// The members of a group's package are those of the group.
    #[error("package {package_id} is shared by the members of group {group_id}")]
    PackageOfGroup {
        /// The package.
        package_id: PackageId,
        /// The group.
        group_id: GroupId,
    },
}

impl HolderRefusal {
    /// The stable name of the refusal, as published in the API.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::AmbiguousCustomer { .. } => "AMBIGUOUS_CUSTOMER",
            Self::CustomerMerged { .. } => "CUSTOMER_MERGED",
            Self::CustomerErased { .. } => "CUSTOMER_ERASED",
            Self::CustomerHasOpen { .. } => "CUSTOMER_HAS_OPEN",
            Self::GroupInactive { .. } => "GROUP_INACTIVE",
            Self::UseLimit { .. } => "USE_LIMIT",
            Self::ShareLimitExceeded { .. } => "SHARE_LIMIT_EXCEEDED",
            Self::AlreadyMember { .. } => "ALREADY_MEMBER",
            Self::NotAMember { .. } => "NOT_A_MEMBER",
            Self::MemberIsOwner { .. } => "MEMBER_IS_OWNER",
            Self::PackageOfGroup { .. } => "PACKAGE_OF_GROUP",
            Self::MergedIntoItself { .. } => "MERGED_INTO_ITSELF",
        }
    }

    /// Its names and numbers, by their published keys.
    pub fn details(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::AmbiguousCustomer { customer_ids } => {
                vec![("customer_ids", listed(customer_ids))]
            }
            Self::UseLimit {
                package_id,
                allowance,
            } => vec![
                ("package_id", package_id.to_string()),
                ("limit", allowance.limit.to_string()),
                ("used", allowance.used.to_string()),
                ("period", allowance.period.as_str().to_owned()),
                ("period_from", allowance.from.to_string()),
            ],
            Self::CustomerMerged {
                customer_id,
                merged_into,
            } => vec![
                ("customer_id", customer_id.to_string()),
                ("merged_into", merged_into.to_string()),
            ],
            Self::CustomerErased {
                customer_id,
                erased_at,
            } => vec![
                ("customer_id", customer_id.to_string()),
                (
                    "erased_at",
                    erased_at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
                ),
            ],
            Self::CustomerHasOpen { customer_id, open } => {
                let counts = open.counts().into_iter();
                let counts = counts.map(|(key, count)| (key, count.to_string()));
                let customer = [("customer_id", customer_id.to_string())];
                customer.into_iter().chain(counts).collect()
            }
            Self::MergedIntoItself { customer_id } => {
                vec![("customer_id", customer_id.to_string())]
            }
            Self::GroupInactive { group_id } => vec![("group_id", group_id.to_string())],
            Self::ShareLimitExceeded {
                share_max,
                requested,
            } => vec![
                ("share_max", share_max.to_string()),
                ("requested", requested.to_string()),
            ],
            Self::AlreadyMember { of, customer_id }
            | Self::NotAMember { of, customer_id }
            | Self::MemberIsOwner { of, customer_id } => {
                vec![("of", of.clone()), ("customer_id", customer_id.to_string())]
            }
            Self::PackageOfGroup {
                package_id,
                group_id,
            } => vec![
                ("package_id", package_id.to_string()),
                ("group_id", group_id.to_string()),
            ],
        }
    }
}

fn counted(open: &Open) -> String {
    let some = open.counts().into_iter().filter(|(_, count)| *count > 0);
    let texts: Vec<String> = some.map(|(of, count)| format!("{count} {of}")).collect();
    texts.join(", ")
}

fn listed(ids: &[CustomerId]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    ids.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{credits, start};
    use crate::domain::use_limit::LimitPeriod;

    #[test]
    fn customers_with_one_address_are_all_named() {
        let customer_ids = vec![CustomerId::generate(start()), CustomerId::generate(start())];
        let all = format!("{},{}", customer_ids[0], customer_ids[1]);
        let refusal = HolderRefusal::AmbiguousCustomer { customer_ids };
        assert!(refusal.to_string().ends_with(&format!(": {all}")));
        assert_eq!(refusal.details(), [("customer_ids", all)]);
    }

    #[test]
    fn a_limit_is_told_with_what_it_is_for_and_what_was_used() {
        let refusal = HolderRefusal::UseLimit {
            package_id: PackageId::generate(start()),
            allowance: Allowance {
                left: credits("0.5"),
                used: credits("1.5"),
                limit: credits("2"),
                period: LimitPeriod::Week,
                from: start().date_naive(),
            },
        };
        let told: Vec<_> = refusal.details().into_iter().skip(1).collect();
        let expected = [
            ("limit", "2"),
            ("used", "1.5"),
            ("period", "week"),
            ("period_from", "2026-03-16"),
        ];
        assert_eq!(told, expected.map(|(key, text)| (key, text.to_owned())));
    }

    #[test]
    fn what_is_open_of_a_customer_is_counted_without_what_is_not() {
        let open = Open {
            packages: 2,
            invoices: 1,
            ..Open::default()
        };
        assert_eq!(counted(&open), "2 packages, 1 invoices");
    }
}
