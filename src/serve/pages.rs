//! Pages: everything the server has, told once for reading parameters and for `/openapi.json`.

use crate::serve::csv;
use crate::serve::parameters::{OF_ALERTS, OF_ENTITIES, OF_INTERVALS, OF_KPIS, OF_STREAM, Parameter};
use crate::serve::problem;
use crate::serve::prometheus::Format;

/// One page.
pub struct Page {
    pub path: &'static str,
    pub about: &'static str,
    pub parameters: &'static [Parameter],
    /// What it answers when all is well, by content type.
    pub bodies: &'static [Body],
    /// Whether it is a list by pages, with an `ETag` and the way to the next page.
    pub has_etag: bool,
    /// Whether the answer goes on, and can be resumed.
    pub is_stream: bool,
    /// When it answers 503, and with what.
    pub unready: Option<(&'static str, &'static [Body])>,
    /// Whether it asks for no token.
    pub is_open: bool,
}

/// What an answer holds.
pub struct Body {
    pub content_type: &'static str,
    /// Of JSON its schema's name in `/openapi.json`.
    pub schema: Option<&'static str>,
}

const fn json(schema: &'static str) -> Body {
    Body { content_type: "application/json", schema: Some(schema) }
}

const fn other(content_type: &'static str) -> Body {
    Body { content_type, schema: None }
}

/// What goes wrong.
pub const PROBLEM: &[Body] = &[Body { content_type: problem::CONTENT, schema: Some("Problem") }];
const READY: &[Body] = &[json("Ready")];
const TEXT: &[Body] = &[other("text/plain; charset=utf-8")];

const PLAIN: Page = Page {
    path: "",
    about: "",
    parameters: &[],
    bodies: TEXT,
    has_etag: false,
    is_stream: false,
    unready: None,
    is_open: false,
};

pub const WALLBOARD: Page = Page {
    path: "/",
    about: "The wallboard, for people. It asks for the token itself.",
    bodies: &[other("text/html; charset=utf-8")],
    is_open: true,
    ..PLAIN
};
pub const METRICS: Page = Page {
    path: "/metrics",
    about: "For Prometheus, or as OpenMetrics where it is asked for.",
    bodies: &[other(Format::Prometheus.content_type()), other(Format::OpenMetrics.content_type())],
    ..PLAIN
};
pub const LIVEZ: Page = Page { path: "/livez", about: "200 while the process lives.", is_open: true, ..PLAIN };
pub const READYZ: Page = Page {
    path: "/readyz",
    about: "200, or 503 with the reasons.",
    bodies: READY,
    unready: Some(("Not ready, with the reasons.", READY)),
    is_open: true,
    ..PLAIN
};
pub const KPIS: Page = Page {
    path: "/api/v1/kpis",
    about: "KPI records as published, in the order of their keys.",
    parameters: OF_KPIS,
    bodies: &[json("Kpis"), other(csv::CONTENT_TYPE)],
    has_etag: true,
    ..PLAIN
};
pub const ENTITIES: Page = Page {
    path: "/api/v1/entities",
    about: "Whose records there are.",
    parameters: OF_ENTITIES,
    bodies: &[json("Entities")],
    has_etag: true,
    ..PLAIN
};
pub const INTERVALS: Page = Page {
    path: "/api/v1/intervals",
    about: "Intervals of one entity that have ended, and the open one, ascending by their start.",
    parameters: OF_INTERVALS,
    bodies: &[json("Intervals"), other(csv::CONTENT_TYPE)],
    has_etag: true,
    unready: Some(("The archive is still being read, or is being read for others.", PROBLEM)),
    ..PLAIN
};
pub const ALERTS: Page = Page {
    path: "/api/v1/alerts",
    about: "Alerts: what fires, and behind it what resolved within the last 7 days, of each the newest first.",
    parameters: OF_ALERTS,
    bodies: &[json("Alerts"), other(csv::CONTENT_TYPE)],
    has_etag: true,
    ..PLAIN
};
pub const META: Page = Page {
    path: "/api/v1/meta",
    about: "Windows, KPIs, counts, formulas and groups of queues, with titles and units.",
    bodies: &[json("Meta")],
    ..PLAIN
};
pub const STREAM: Page = Page {
    path: "/api/v1/stream",
    about: "What changes, as server-sent events.",
    parameters: OF_STREAM,
    bodies: &[other("text/event-stream")],
    is_stream: true,
    unready: Some(("As many streams are open as may be.", PROBLEM)),
    ..PLAIN
};

pub const OPENAPI: Page = Page {
    path: "/openapi.json",
    about: "This list for programs, as OpenAPI 3.1.",
    bodies: &[json("OpenApi")],
    is_open: true,
    ..PLAIN
};

/// Every page.
pub const PAGES: &[Page] =
    &[WALLBOARD, METRICS, LIVEZ, READYZ, KPIS, ENTITIES, INTERVALS, ALERTS, META, STREAM, OPENAPI];

impl Page {
    /// Whether it refuses parameters that it does not know.
    pub fn reads_parameters(&self) -> bool {
        self.path.starts_with("/api/")
    }
}
