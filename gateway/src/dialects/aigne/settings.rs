//! `modelOptions`: how the model shall answer.

use serde_json::Value;

use super::object::{Object, wrong};
use super::read::own;
use crate::call::Chat;
use crate::call::chat::{CacheMark, Content, Effort, Modality, Part, Reasoning};
use crate::error::Error;

/// Reads the options of a chat, after its messages and tools.
pub(super) fn settings(mut options: Object, chat: &mut Chat) -> Result<(), Error> {
    // read already, with the head of the call
    options.take("model");
    options.take("maxTokens");
    // for the client itself
    options.take("preferInputFileType");
    chat.sampling.temperature = options.number("temperature")?;
    chat.sampling.top_p = options.number("topP")?;
    chat.sampling.frequency_penalty = options.number("frequencyPenalty")?;
    chat.sampling.presence_penalty = options.number("presencePenalty")?;
    // the client always says it
    chat.parallel_tools = options.flag("parallelToolCalls")?.filter(|_| !chat.tools.is_empty());
    chat.modalities = modalities(&mut options)?;
    chat.reasoning = reasoning(&mut options)?;
    cache(&mut options, chat)?;
    chat.own.extend(own(options));
    Ok(())
}

fn modalities(options: &mut Object) -> Result<Vec<Modality>, Error> {
    let items = options.list("modalities")?.unwrap_or_default();
    let named = |(path, item): (String, Value)| match item.as_str() {
        Some("text") => Ok(Modality::Text),
        Some("image") => Ok(Modality::Image),
        Some("audio") => Ok(Modality::Audio),
        _ => Err(wrong(&path, "text, image or audio")),
    };
    items.into_iter().map(named).collect()
}

/// In words, or in tokens.
fn reasoning(options: &mut Object) -> Result<Option<Reasoning>, Error> {
    let path = options.path("reasoningEffort");
    let Some(value) = options.take("reasoningEffort") else {
        return Ok(None);
    };
    let words = value.as_str().and_then(Effort::named);
    let mut reasoning = Reasoning { effort: words, shown: Some(true), ..Reasoning::default() };
    match (words, value.as_i64()) {
        (Some(_), _) => {}
        (None, Some(0)) => {
            reasoning = Reasoning { enabled: Some(false), ..Reasoning::default() };
        }
        (None, Some(tokens)) if tokens >= -1 => reasoning.budget = Some(tokens),
        _ => return Err(wrong(&path, "minimal, low, medium, high or a number of tokens")),
    }
    Ok(Some(reasoning))
}

/// Where the prompt is cached by itself: behind the tools and the instructions, as long as the
/// client says nothing else, and behind the last message where it says so.
fn cache(options: &mut Object, chat: &mut Chat) -> Result<(), Error> {
    let (mut mark, mut by_itself) = (CacheMark::Short, true);
    let (mut tools, mut system, mut last) = (true, true, false);
    if let Some(mut config) = options.object("cacheConfig")? {
        if config.flag("enabled")? == Some(false) {
            forget(chat);
            return Ok(());
        }
        if config.take("ttl").is_some_and(|ttl| ttl.as_str() == Some("1h")) {
            mark = CacheMark::Long;
        }
        by_itself = match config.text("strategy")?.as_deref() {
            None | Some("auto") => true,
            Some("manual") => false,
            Some(_) => return Err(wrong(&config.path("strategy"), "auto or manual")),
        };
        if let Some(mut at) = config.object("autoBreakpoints")? {
            tools = at.flag("tools")?.unwrap_or(tools);
            system = at.flag("system")?.unwrap_or(system);
            last = at.flag("lastMessage")?.unwrap_or(last);
        }
    }
    if !by_itself {
        return Ok(());
    }
    if let Some(tool) = chat.tools.last_mut().filter(|_| tools) {
        tool.cache.get_or_insert(mark);
    }
    if let Some(part) = chat.system.last_mut().filter(|_| system) {
        part.cache.get_or_insert(mark);
    }
    let message = chat.messages.last_mut().filter(|_| last);
    let part = message.and_then(|message| message.parts.last_mut());
    // thoughts can't be marked
    let is_thought =
        |part: &Part| matches!(part.content, Content::Reasoning { .. } | Content::Redacted(_));
    if let Some(part) = part.filter(|part| !is_thought(part)) {
        part.cache.get_or_insert(mark);
    }
    Ok(())
}

/// No cache is wanted, whatever is marked.
fn forget(chat: &mut Chat) {
    let parts = chat.messages.iter_mut().flat_map(|message| &mut message.parts);
    parts.chain(&mut chat.system).for_each(|part| part.cache = None);
    chat.tools.iter_mut().for_each(|tool| tool.cache = None);
}
