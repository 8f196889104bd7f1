//! A source of made-up records: orders, users or clicks, the same for the same seed, at a given rate
//! or as fast as they can be made.
//!
//! Record `k` follows from the seed and `k` alone, so a task that starts again goes on exactly where
//! its stored offset says.

mod dice;
mod pace;
mod source;
mod template;

use source::DatagenSource;

cofferdam_sdk::plugins! {
    source DatagenSource;
}
