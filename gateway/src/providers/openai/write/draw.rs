//! Images.

use serde_json::{Map, Value, json};

use super::wire::Address;
use super::{Written, lacks_of};
use crate::call::chat::Source;
use crate::call::{Draw, Lacks};
use crate::error::Error;
use crate::providers::compat::Images;
use crate::routing::Target;

/// Images, in the fields that the vendor takes.
pub(crate) fn draw(draw: &Draw, images: &Images, target: &Target) -> Result<Written, Error> {
    let mut lacks = lacks_of(target);
    for field in &draw.own {
        lacks.refuse(&field.name, !field.may_drop)?;
        lacks.drop(&field.name, true);
    }
    let takes = |name: &str| images.takes.iter().any(|taken| taken == name);
    let address = draw.response_format.as_deref() == Some("url");
    lacks.refuse("response_format url", address && !takes("response_format"))?;
    let mut body = Map::new();
    body.insert("model".into(), target.model.as_str().into());
    body.insert("prompt".into(), draw.prompt.as_str().into());
    for (name, value) in [
        ("quality", &draw.quality),
        ("output_format", &draw.output_format),
        // where it is not taken there is one way only
        ("response_format", &draw.response_format),
        ("user", &draw.user),
    ] {
        lacks.drop(name, value.is_some() && !takes(name));
        if let Some(value) = value.as_deref().filter(|_| takes(name)) {
            body.insert(name.into(), value.into());
        }
    }
    count(draw, &takes, &lacks, &mut body)?;
    size(draw, &takes, &lacks, &mut body)?;
    start(&draw.images, &takes, &lacks, &mut body)?;
    if takes("watermark") {
        body.insert("watermark".into(), false.into()); // on, unless it is said
    }
    for (name, value) in &draw.more {
        if HINTS.contains(&name.as_str()) && !takes(name) {
            lacks.drop(name, true);
            continue;
        }
        lacks.refuse(name, !takes(name))?;
        body.insert(name.clone(), value.clone());
    }
    Written::new(&body, None, lacks)
}

/// Settings without which the images are still what was asked for.
const HINTS: [&str; 3] = ["seed", "moderation", "output_compression"];

type Takes<'a> = &'a dyn Fn(&str) -> bool;

fn count(
    draw: &Draw,
    takes: Takes<'_>,
    lacks: &Lacks,
    body: &mut Map<String, Value>,
) -> Result<(), Error> {
    let Some(count) = draw.count.filter(|count| *count > 1) else {
        return Ok(());
    };
    if takes("n") {
        body.insert("n".into(), count.into());
    } else {
        // Seedream makes a series
        lacks.refuse("n", !takes("sequential_image_generation"))?;
        body.insert("sequential_image_generation".into(), "auto".into());
        let options = json!({"max_images": count});
        body.insert("sequential_image_generation_options".into(), options);
    }
    Ok(())
}

fn size(
    draw: &Draw,
    takes: Takes<'_>,
    lacks: &Lacks,
    body: &mut Map<String, Value>,
) -> Result<(), Error> {
    let Some(size) = draw.size.as_deref() else {
        return Ok(());
    };
    if takes("size") {
        body.insert("size".into(), size.into());
    } else if size != "auto" {
        let ratio = draw.ratio().filter(|_| takes("aspect_ratio"));
        lacks.refuse("size", ratio.is_none())?;
        let ratio = ratio.map(|(across, down)| format!("{across}:{down}"));
        body.insert("aspect_ratio".into(), ratio.into());
    }
    Ok(())
}

fn start(
    images: &[Source],
    takes: Takes<'_>,
    lacks: &Lacks,
    body: &mut Map<String, Value>,
) -> Result<(), Error> {
    if images.is_empty() {
        return Ok(());
    }
    lacks.refuse("images to start from", !takes("image"))?;
    let addresses: Vec<String> =
        images.iter().filter_map(Address::of).map(|address| address.to_string()).collect();
    lacks.refuse("a file's id at another vendor", addresses.len() != images.len())?;
    body.insert("image".into(), addresses.into());
    Ok(())
}
