"""Load a script on the pages that need it."""


def load_script(app, kind, name):
    """Load `name`.js on the pages that have a node of `kind`, and on no other."""

    def load(app, pagename, templatename, context, doctree):
        if doctree and next(doctree.findall(kind), None):
            app.add_js_file(f"{name}.js", loading_method="defer")

    app.connect("html-page-context", load)
