"""Takes out of the web pages what they load and do not need."""


def lighten(app, exception):
    if exception or app.builder.name not in ("html", "dirhtml"):
        return
    static = app.outdir / "_static"
    # 1.5 MB to draw the icons that the theme's style sheet draws from a font.
    for script in static.glob("scripts/fontawesome.js"):
        script.write_text("")
    for source_map in static.rglob("*.map"):
        source_map.unlink()


def setup(app):
    app.connect("build-finished", lighten)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
