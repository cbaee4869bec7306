//! Puts a tree together, node by node, within its budgets.

use super::{Content, Node, NodeId, Size, Spot, Style, Tree, TreeError, count, within_budget};

/// A tree in the making.
#[derive(Debug, Default)]
pub(super) struct Builder {
    tree: Tree,
    open: Vec<Open>,
    /// Of everything so far, aliases written out; its depth is not used.
    total: Size,
}

/// A list or map whose end has not come yet.
#[derive(Debug)]
struct Open {
    map: bool,
    spot: Spot,
    children: Vec<NodeId>,
    /// Of what is in it.
    size: Size,
}

impl Builder {
    pub(super) fn scalar(
        &mut self,
        text: &str,
        style: Style,
        spot: Spot,
    ) -> Result<NodeId, TreeError> {
        let start = count(self.tree.texts.len());
        self.tree.texts.push_str(text);
        let text = start..count(self.tree.texts.len());
        let size = Size {
            nodes: 1,
            bytes: super::size(text.end - text.start),
            depth: 0,
        };
        self.add(Content::Scalar { text, style }, spot, size, size)
    }

    pub(super) fn open(&mut self, map: bool, spot: Spot) -> Result<(), TreeError> {
        self.open.push(Open {
            map,
            spot,
            children: Vec::new(),
            size: Size::default(),
        });
        within_budget(
            spot,
            Size {
                depth: self.open.len(),
                ..self.total
            },
        )
    }

    /// Ends the innermost list or map.
    pub(super) fn close(&mut self) -> Result<Option<NodeId>, TreeError> {
        let Some(open) = self.open.pop() else {
            return Ok(None);
        };
        let start = count(self.tree.children.len());
        self.tree.children.extend(open.children);
        let range = start..count(self.tree.children.len());
        let size = Size {
            nodes: open.size.nodes + 1,
            bytes: open.size.bytes,
            depth: open.size.depth + 1,
        };
        let content = if open.map {
            Content::Map(range)
        } else {
            Content::List(range)
        };
        let added = Size {
            nodes: 1,
            ..Size::default()
        };
        self.add(content, open.spot, size, added).map(Some)
    }

    /// One more reference to a node that is complete.
    pub(super) fn alias(&mut self, node: NodeId, spot: Spot) -> Result<(), TreeError> {
        let size = self.tree.size(node);
        self.attach(node, spot, size, size)
    }

    /// The tree, when every document has ended.
    pub(super) fn finish(self) -> Tree {
        self.tree
    }

    fn add(
        &mut self,
        content: Content,
        spot: Spot,
        size: Size,
        added: Size,
    ) -> Result<NodeId, TreeError> {
        let node = NodeId(count(self.tree.nodes.len()));
        self.tree.nodes.push(Node {
            content,
            spot,
            size,
        });
        self.attach(node, spot, size, added)?;
        Ok(node)
    }

    fn attach(
        &mut self,
        node: NodeId,
        spot: Spot,
        size: Size,
        added: Size,
    ) -> Result<(), TreeError> {
        self.total.nodes += added.nodes;
        self.total.bytes += added.bytes;
        within_budget(
            spot,
            Size {
                depth: self.open.len() + size.depth,
                ..self.total
            },
        )?;
        match self.open.last_mut() {
            None => self.tree.documents.push(node),
            Some(parent) => {
                parent.children.push(node);
                parent.size.nodes += size.nodes;
                parent.size.bytes += size.bytes;
                parent.size.depth = parent.size.depth.max(size.depth);
            }
        }
        Ok(())
    }
}
