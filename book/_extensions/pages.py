"""What the pages that follow all others have in common: they list what stands there."""

from docutils import nodes


def follow(app, mark):
    """Write the pages whose metadata has `mark` again whenever any page has changed."""

    def pages(app, env):
        return [name for name, data in env.metadata.items() if data.get(mark)]

    app.connect("env-updated", pages)


def reading_order(env):
    """Return the documents of the book in the order of the toctree."""
    order = []

    def walk(docname):
        if docname not in order:
            order.append(docname)
            for child in env.toctree_includes.get(docname, []):
                walk(child)

    walk(env.config.root_doc)
    return order


def chapter(env, docname):
    """Return the title of the chapter that a page belongs to: of its folder's index."""
    index = f"{docname.partition('/')[0]}/index"
    return env.titles[index if index in env.titles else docname].astext()


def address(app, docname, anchor):
    """Return the address of an anchor of a page, for the page that is being written."""
    here = app.env.current_document.docname
    return f"{app.builder.get_relative_uri(here, docname)}#{anchor}"


def link(app, docname, anchor, text):
    """Return a link to an anchor of a page, for the page that is being written."""
    target = address(app, docname, anchor)
    return nodes.reference("", text, refuri=target, internal=True)
