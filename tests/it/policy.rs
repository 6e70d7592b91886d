//! The policy layer: what a plugin may do, granted and not granted, on every backend; every limit,
//! hit and just not hit; and what an operator reads of both.
//!
//! The table is data: for each capability a plugin that tries it, once with exactly the grants
//! that it needs and once without the one that it is about. What the plugin sees, what the
//! traffic sees, the denials counted and the line in the log are written down as text in
//! `golden/policy_*.txt`, one for each family of backends; `UPDATE_EXPECT=1` writes them anew.
//! What must hold of every row is asserted beside. Start reading at [`table::rows`].

mod bytes;
mod limits;
pub(crate) mod packages;
mod restrictions;
mod rules;
mod stage;
mod table;
