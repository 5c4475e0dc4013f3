from flask import Blueprint

bp = Blueprint("wecom_client", __name__, url_prefix="/wecom/client")
