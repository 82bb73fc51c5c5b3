//! Accept: which form of an answer a client likes best (RFC 9110, "Accept").

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use std::cmp::Reverse;

/// What a client accepts: ranges of media types in the order they stand. None stands for anything.
pub struct Accept<'h>(Vec<Range<'h>>);

struct Range<'h> {
    /// `text/csv`, `text/*` or `*/*`.
    media: &'h str,
    /// How much it is liked, in thousandths; 0 is not at all.
    quality: u16,
}

impl<'h> Accept<'h> {
    /// What cannot be read is left out.
    pub fn of(headers: &'h HeaderMap) -> Accept<'h> {
        let texts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        Accept(texts.flat_map(|text| text.split(',')).filter_map(Range::read).collect())
    }

    /// The place of the form that is liked best, the first of equals; none if none is accepted. Parameters of media
    /// types are not looked at. Of forms liked alike the one that is named stands before one that a range covers, and
    /// the one that is named earlier before the others.
    pub fn best<'t>(&self, content_types: impl IntoIterator<Item = &'t str>) -> Option<usize> {
        let mut best: Option<(usize, _)> = None;
        for (place, content_type) in content_types.into_iter().enumerate() {
            let liked = self.liked(content_type);
            if 0 < liked.0 && best.as_ref().is_none_or(|(_, best)| *best < liked) {
                best = Some((place, liked));
            }
        }
        best.map(|(place, _)| place)
    }

    /// How much, by how narrow a range, and how early. The narrowest range that covers a form decides.
    fn liked(&self, content_type: &str) -> (u16, u8, Reverse<usize>) {
        if self.0.is_empty() {
            return (1000, 0, Reverse(0));
        }
        let media = media_of(content_type);
        let covering = self.0.iter().enumerate().filter_map(|(place, range)| {
            let narrowness = range.covers(media)?;
            Some((narrowness, range.quality, Reverse(place)))
        });
        covering.max().map_or((0, 0, Reverse(0)), |(narrowness, quality, place)| (quality, narrowness, place))
    }
}

impl<'h> Range<'h> {
    fn read(text: &'h str) -> Option<Range<'h>> {
        let media = media_of(text);
        let (kind, form) = media.split_once('/').filter(|(kind, form)| !kind.is_empty() && !form.is_empty())?;
        if kind == "*" && form != "*" {
            return None;
        }
        let mut parameters = text.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
        let quality =
            parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("q")).map_or("1", |(_, value)| value);
        let quality: f64 = quality.trim().parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
        Some(Range { media, quality: (quality * 1000.0) as u16 })
    }

    /// How narrow it is, if it covers a media type: 2 if it is that type, 1 or 0 by its stars.
    fn covers(&self, media: &str) -> Option<u8> {
        let kind = |media: &str| media.split('/').next().unwrap_or_default().to_ascii_lowercase();
        match self.media {
            "*/*" => Some(0),
            range if range.ends_with("/*") => (kind(range) == kind(media)).then_some(1),
            range => range.eq_ignore_ascii_case(media).then_some(2),
        }
    }
}

/// A media type without its parameters.
pub fn media_of(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const FORMS: [&str; 2] = ["text/plain; version=0.0.4", "application/openmetrics-text; version=1.0.0"];

    #[track_caller]
    fn check(accept: &[&str], expected: Option<usize>) {
        let mut headers = HeaderMap::new();
        for text in accept {
            headers.append(ACCEPT, HeaderValue::from_str(text).expect("a value"));
        }
        assert_eq!(Accept::of(&headers).best(FORMS), expected, "{accept:?}");
    }

    #[test]
    fn without_a_wish_the_first_form_is_given() {
        for accept in ["", "*/*", "text/html, */*;q=0.1", "nonsense", "*/plain", "text/plain;q=x", "text/*"] {
            check(&[accept], Some(0));
        }
        check(&[], Some(0));
    }

    #[test]
    fn the_form_liked_best_is_given() {
        check(&["application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"], Some(1));
        check(&["application/openmetrics-text;version=0.0.1;q=0.3, text/plain;q=0.5"], Some(0));
        check(&["text/plain;q=0.2", "Application/OpenMetrics-Text ; Q=0.3"], Some(1));
        check(&["application/*, text/plain;q=0.9"], Some(1));
        check(&["*/*, text/plain;q=0"], Some(1));
        check(&["text/*;q=0.1, text/plain;q=0.5, application/openmetrics-text;q=0.4"], Some(0));
    }

    #[test]
    fn of_forms_liked_alike_the_one_named_first_is_given() {
        check(&["application/openmetrics-text, text/plain"], Some(1));
        check(&["text/plain, application/openmetrics-text"], Some(0));
        check(&["*/*, application/openmetrics-text"], Some(1));
    }

    #[test]
    fn no_form_is_given_to_whoever_accepts_none() {
        for accept in ["image/png", "image/*, text/html;q=0.5", "*/*;q=0", "text/plain;q=0, application/json"] {
            check(&[accept], None);
        }
    }
}
