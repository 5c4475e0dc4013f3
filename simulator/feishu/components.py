"""The components of a card and what each may contain, as tables: a card of schema 2.0 with anything else is refused.

https://open.feishu.cn/document/feishu-cards/card-json-v2-structure
"""

from __future__ import annotations

ANYWHERE = {"tag", "element_id", "margin"}
LAYOUT = {
    "direction",
    "padding",
    "horizontal_spacing",
    "horizontal_align",
    "vertical_spacing",
    "vertical_align",
    "elements",
}
CHOICE = {"type", "name", "placeholder", "required", "disabled", "width", "behaviors", "confirm"}
ENTRY = CHOICE | {"label", "label_position", "value"}

TOP = {"schema", "config", "card_link", "header", "body"}
CONFIG = {
    "update_multi",
    "enable_forward",
    "enable_forward_interaction",
    "width_mode",
    "summary",
    "streaming_mode",
    "streaming_config",
    "locales",
    "style",
    "use_custom_translation",
}
HEADER = {"title", "subtitle", "template", "text_tag_list", "i18n_text_tag_list", "icon", "padding"}
BODY = LAYOUT

COMPONENTS: dict[str, set[str]] = {
    "markdown": {"content", "text_size", "text_align", "icon", "href"},
    "div": {"text", "icon", "width"},
    "plain_text": {"content", "text_size", "text_color", "text_align", "lines", "i18n_content"},
    "lark_md": {"content", "text_size", "text_color", "text_align", "lines", "i18n_content"},
    "text_tag": {"text", "color"},
    "hr": set(),
    "img": {"img_key", "alt", "title", "scale_type", "size", "corner_radius", "transparent", "preview"},
    "img_combination": {"combination_mode", "combination_transparent", "corner_radius", "img_list"},
    "person": {"user_id", "size", "show_avatar", "show_name", "style"},
    "person_list": {"persons", "size", "show_avatar", "show_name", "lines", "drop_invalid_user_id"},
    "chart": {"chart_spec", "aspect_ratio", "color_theme", "preview", "height"},
    "table": {"page_size", "row_height", "row_max_height", "header_style", "columns", "rows", "freeze_first_column"},
    "button": {
        "type",
        "size",
        "width",
        "text",
        "icon",
        "hover_tips",
        "disabled",
        "disabled_tips",
        "confirm",
        "behaviors",
        "name",
        "required",
        "form_action_type",
    },
    "overflow": {"options", "width", "confirm", "behaviors"},
    "select_static": CHOICE | {"options", "initial_option", "initial_index"},
    "multi_select_static": CHOICE | {"options", "selected_values"},
    "select_person": CHOICE | {"options", "initial_option"},
    "multi_select_person": CHOICE | {"options", "selected_values"},
    "date_picker": ENTRY | {"initial_date"},
    "picker_time": ENTRY | {"initial_time"},
    "picker_datetime": ENTRY | {"initial_datetime"},
    "checker": {"name", "checked", "text", "overall_checkable", "button_area", "checked_style", "disabled"}
    | {"behaviors", "confirm", "hover_tips", "disabled_tips", "padding"},
    "input": ENTRY
    | {"default_value", "max_length", "input_type", "show_icon", "rows", "auto_resize", "max_rows", "fallback"},
    "form": LAYOUT | {"name", "confirm"},
    "column_set": {"columns", "flex_mode", "background_style", "horizontal_spacing", "horizontal_align"},
    "column": LAYOUT | {"width", "weight", "background_style"},
    "collapsible_panel": LAYOUT | {"expanded", "header", "border", "background_color"},
    "interactive_container": LAYOUT
    | {"width", "height", "background_style", "has_border", "border_color", "corner_radius"}
    | {"behaviors", "hover_tips", "disabled", "disabled_tips", "confirm"},
    "standard_icon": {"token", "color", "size"},
    "custom_icon": {"img_key", "size"},
}

WITHDRAWN = {"action", "note", "column_button"}
INTERACTIVE = {
    "button",
    "overflow",
    "select_static",
    "multi_select_static",
    "select_person",
    "multi_select_person",
    "date_picker",
    "picker_time",
    "picker_datetime",
    "checker",
    "input",
}
CONTAINERS = {"form", "column_set", "column", "collapsible_panel", "interactive_container"}
COLOURS = {
    "blue",
    "wathet",
    "turquoise",
    "green",
    "yellow",
    "orange",
    "red",
    "carmine",
    "violet",
    "purple",
    "indigo",
    "grey",
    "default",
}
BUTTON_TYPES = {
    "default",
    "primary",
    "danger",
    "text",
    "primary_text",
    "danger_text",
    "primary_filled",
    "danger_filled",
    "laser",
}

MAX_ELEMENTS = 200
MAX_DEPTH = 5
MAX_TABLES = 5
MAX_TEXT = 100
MAX_INPUT = 1000
