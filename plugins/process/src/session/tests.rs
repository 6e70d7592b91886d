//! Sessions with children that follow a script.

mod exchanges;

use super::testing::*;
