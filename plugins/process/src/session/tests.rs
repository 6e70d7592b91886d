//! Sessions with children that follow a script.

mod codecs;
mod cost;
mod denied;
mod exchanges;
mod hostile;
mod loss;
mod model;
mod starts;

use super::testing::*;
