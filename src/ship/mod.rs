//! Shipping: a file of lines that grows and is rotated, followed into a topic.

pub mod position;

mod siblings;

pub mod follower;

pub mod news;

pub mod batch;
