//! The rules of commands, one by one, and all of them together.

mod adjusting;
mod clock;
mod explaining;
mod holding;
mod late;
mod limiting;
mod purposes;
mod random;
mod rating;
mod restoring;
mod sharing;
mod undoing;
mod using;
