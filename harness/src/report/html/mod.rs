//! `report.html`: one self-contained file for people. No script, no outside reference.
//!
//! Everything that has a time stands above one axis: seconds since the clock started. A drawing
//! stretches with the page while its text does not, so it is as readable on a phone as on a wall:
//! SVG holds shapes only, and labels are HTML placed in percent of the axis.

mod style;

mod plot;

mod charts;
mod lanes;
mod matrix;

mod tables;

mod page;

pub use page::render;
