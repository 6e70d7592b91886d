//! What a case of the stream filters is made of.

use serde_json::Value;

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Its name: the first part of its requests' paths, and in each line of its log.
    pub(crate) name: &'static str,
    /// The chain of filters: the steps of each.
    pub(crate) filters: Vec<Value>,
    /// What to do with a stream whose filter failed.
    pub(crate) on_error: &'static str,
    /// The plugin among those of the artifact.
    pub(crate) root_id: &'static str,
    /// What is asked, in order.
    pub(crate) asks: Vec<Ask>,
}

/// One request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    pub(crate) post: bool,
    pub(crate) fields: Vec<(&'static str, &'static str)>,
    pub(crate) body: Vec<&'static str>,
    pub(crate) trailers: Vec<(&'static str, &'static str)>,
    /// The next request is sent before this one is answered, and after this line was logged.
    pub(crate) until_logged: Option<&'static str>,
}

impl Case {
    /// A case of one filter and one `GET`.
    pub(crate) fn new(name: &'static str, steps: Value) -> Self {
        let asks = vec![Ask::default()];
        Self { name, filters: vec![steps], on_error: "closed", root_id: "matrix", asks }
    }

    /// With one more filter behind.
    pub(crate) fn then(mut self, steps: Value) -> Self {
        self.filters.push(steps);
        self
    }

    /// With another `on_error`.
    pub(crate) fn on_error(mut self, word: &'static str) -> Self {
        self.on_error = word;
        self
    }

    /// With another plugin of the artifact.
    pub(crate) fn root(mut self, root_id: &'static str) -> Self {
        self.root_id = root_id;
        self
    }

    /// The last request has a field.
    pub(crate) fn field(mut self, name: &'static str, value: &'static str) -> Self {
        self.last().fields.push((name, value));
        self
    }

    /// The last request is a `POST` with a body of these pieces.
    pub(crate) fn post(mut self, body: &[&'static str]) -> Self {
        self.last().post = true;
        self.last().body = body.to_vec();
        self
    }

    /// The last request has a trailer.
    pub(crate) fn trailer(mut self, name: &'static str, value: &'static str) -> Self {
        self.last().post = true;
        self.last().trailers.push((name, value));
        self
    }

    /// One more request.
    pub(crate) fn again(mut self) -> Self {
        self.asks.push(Ask::default());
        self
    }

    /// One more request, which is sent while the last one waits, after this was logged.
    pub(crate) fn beside(mut self, logged: &'static str) -> Self {
        self.last().until_logged = Some(logged);
        self.again()
    }

    fn last(&mut self) -> &mut Ask {
        self.asks.last_mut().expect("a case has a request")
    }
}

/// What came of a case.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    pub(crate) text: String,
}
