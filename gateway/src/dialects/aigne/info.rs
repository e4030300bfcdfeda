//! The small documents that AIGNE's clients ask for beside calls: where the hub is, which models it
//! has, who asks, and whether a call would be served. Facts come in plain.

use serde_json::{Value, json};

use crate::error::{Error, Kind};

/// The component that the client looks for.
const COMPONENT: &str = "z8ia3xzq2tMq8CRHfaXj1BTYJyYnEcHbqP8cJ";

/// `GET /__blocklet__.js?type=json`: the client takes the path of the hub from it, and stays with
/// the origin that it asked. `mount` is the path before `/api`, most often `/`.
pub fn blocklet(mount: &str) -> Value {
    json!({
        "appName": "Hub",
        "prefix": mount,
        "componentId": COMPONENT,
        "componentMountPoints": [
            {"did": COMPONENT, "name": "aigne-hub", "title": "Hub", "mountPoint": mount, "status": "running"},
        ],
    })
}

/// What a model is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ModelKind {
    /// Chats.
    Chat,
    /// Images.
    Image,
    /// Embeddings.
    Embedding,
}

impl ModelKind {
    /// As it is written in the list.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Image => "image_generation",
            Self::Embedding => "embedding",
        }
    }

    /// As a query names it; `None` for a kind that is not served.
    fn named(name: &str) -> Option<Self> {
        match name {
            "chat" | "chatCompletion" => Some(Self::Chat),
            "image" | "image_generation" | "imageGeneration" => Some(Self::Image),
            "embedding" => Some(Self::Embedding),
            _ => None,
        }
    }
}

/// A model of the list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Model<'a> {
    /// The provider as the operator named it.
    pub provider: &'a str,
    /// The model as the provider names it.
    pub model: &'a str,
    /// What it is for.
    pub kind: ModelKind,
    /// Credits per input token, as a decimal number.
    pub input: &'a str,
    /// Credits per output token, as a decimal number.
    pub output: &'a str,
}

/// `GET /api/ai/models?type=…`: the models of that kind, or all. The client wants prices as
/// strings.
pub fn models<'a>(kind: Option<&str>, models: impl IntoIterator<Item = Model<'a>>) -> Value {
    let wanted = kind.filter(|kind| !kind.is_empty());
    let served = models
        .into_iter()
        .filter(|model| wanted.is_none_or(|kind| ModelKind::named(kind) == Some(model.kind)));
    let listed = served.map(|model| {
        json!({
            "key": format!("{}/{}", model.provider, model.model),
            "model": model.model,
            "type": model.kind.as_str(),
            "provider": model.provider,
            "providerDisplayName": model.provider,
            "input_credits_per_token": model.input,
            "output_credits_per_token": model.output,
            "modelMetadata": null,
            "status": {"available": true},
        })
    });
    listed.collect()
}

/// What an account has, as decimal numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Credit<'a> {
    /// What is left of it.
    pub balance: &'a str,
    /// All that was granted.
    pub total: &'a str,
    /// Used, but not taken off yet.
    pub pending: &'a str,
    /// How many grants there were.
    pub grants: u64,
}

/// `GET /api/user/info`: who asks (the key's account, and a name for it), and what it has left;
/// `None` for an account that is not prepaid.
pub fn user(account: &str, name: &str, credit: Option<Credit<'_>>) -> Value {
    let balance = credit.map(|credit| {
        json!({
            "balance": credit.balance,
            "total": credit.total,
            "grantCount": credit.grants,
            "pendingCredit": credit.pending,
        })
    });
    json!({
        "user": {"did": account, "fullName": name, "email": null, "avatar": null},
        "enableCredit": balance.is_some(),
        "creditBalance": balance,
        "currency": {"name": "US dollar", "symbol": "USD", "decimal": 15},
        "creditPrefix": "$",
        "paymentLink": null,
        "profileLink": null,
    })
}

/// `GET /api/v2/status?model=…`: whether a call would be served, and why not. It is answered with
/// 200 either way; `code` is the status that the call would get.
pub fn status(refused: Option<(&Error, u16)>) -> Value {
    match refused {
        None => json!({"available": true}),
        Some((error, code)) if error.kind == Kind::NoCredit => {
            json!({"available": false, "error": error.told(), "code": code, "type": "NOT_ENOUGH"})
        }
        Some((error, code)) => json!({"available": false, "error": error.told(), "code": code}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_found() {
        let info = blocklet("/");
        assert_eq!(info["componentMountPoints"][0]["did"], COMPONENT);
        assert_eq!(info["componentMountPoints"][0]["mountPoint"], "/");
    }

    #[test]
    fn models_are_listed_by_kind() {
        let model = |kind| Model {
            provider: "openai",
            model: "gpt-4o-mini",
            kind,
            input: "0.00000015",
            output: "0.0000006",
        };
        let all = [ModelKind::Chat, ModelKind::Image, ModelKind::Embedding].map(model);
        for (kind, wanted) in [
            (None, 3),
            (Some(""), 3),
            (Some("chat"), 1),
            (Some("image"), 1),
            (Some("embedding"), 1),
            (Some("video"), 0),
        ] {
            let listed = models(kind, all);
            assert_eq!(listed.as_array().unwrap().len(), wanted, "{kind:?}");
        }
        let listed = models(Some("chat"), all);
        assert_eq!(listed[0]["key"], "openai/gpt-4o-mini");
        assert_eq!(listed[0]["input_credits_per_token"], "0.00000015");
    }

    #[test]
    fn who_asks_and_whether_it_can_pay() {
        let credit = Credit { balance: "1.5", total: "25", pending: "0", grants: 1 };
        let prepaid = user("acme", "acme-app", Some(credit));
        assert_eq!(prepaid["creditBalance"]["balance"], "1.5");
        assert_eq!(prepaid["enableCredit"], true);
        let metered = user("acme", "acme-app", None);
        assert_eq!(
            (&metered["creditBalance"], &metered["enableCredit"]),
            (&Value::Null, &false.into())
        );
        assert_eq!(status(None), json!({"available": true}));
        let poor = Error::new(Kind::NoCredit, "no credit is left");
        let told = json!({"available": false, "error": "no credit is left", "code": 402, "type": "NOT_ENOUGH"});
        assert_eq!(status(Some((&poor, 402))), told);
    }
}
