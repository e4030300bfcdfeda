//! What an image is, where its provider does not say it.

/// The media type of an image, by how its base64 begins.
pub(super) fn media_type(base64: &str) -> &'static str {
    let kinds = [
        ("/9j/", "image/jpeg"),
        ("UklGR", "image/webp"),
        ("R0lGOD", "image/gif"),
        ("PHN2Zy", "image/svg+xml"),
    ];
    let found = kinds.iter().find(|(start, _)| base64.starts_with(start));
    found.map_or("image/png", |(_, kind)| kind)
}
