// The one thing that we ask DingTalk's client for: a sign-in code, in the current way and in that of older clients.
import "dingtalk-jsapi/entry/union";
import requestAuthCodeOldWay from "dingtalk-jsapi/api/runtime/permission/requestAuthCode";
import requestAuthCode from "dingtalk-jsapi/api/union/requestAuthCode";

window.dd = { requestAuthCode, requestAuthCodeOldWay };
