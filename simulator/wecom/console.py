from flask import Blueprint

bp = Blueprint("wecom_console", __name__, url_prefix="/wecom/console")
