//! What comes up while receivers read and is not theirs to do: what a server asks for, and what ends a run. Knows no
//! connection.

/// What has come up.
#[derive(Debug, Default)]
pub struct Asides {
    replies: Vec<u8>,
    complaint: Option<Complaint>,
}

/// What a server did that ends a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// To which peer.
    pub peer: u32,
    /// What it did, as in `said -ERR no such command`.
    pub what: String,
}

impl Asides {
    /// The server wants this from whoever has just been read.
    pub fn reply(&mut self, bytes: &[u8]) {
        self.replies.extend_from_slice(bytes);
    }

    /// The server did this to a peer. The first time is what counts.
    pub fn complain(&mut self, peer: u32, what: String) {
        self.complaint.get_or_insert(Complaint { peer, what });
    }

    /// What whoever has just been read is to say.
    pub fn take_replies(&mut self) -> Option<Vec<u8>> {
        (!self.replies.is_empty()).then(|| std::mem::take(&mut self.replies))
    }

    /// Whether there is anything to complain of.
    pub fn has_complaint(&self) -> bool {
        self.complaint.is_some()
    }

    /// What there is to complain of.
    pub fn take_complaint(&mut self) -> Option<Complaint> {
        self.complaint.take()
    }
}
