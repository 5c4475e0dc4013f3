// What DingTalk's own browser provides to a page: the user agent and the native functions behind dingtalk-jsapi.
// The simulator's webview puts this before the page's own scripts.
"use strict";

(() => {
  const AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 AliApp(DingTalk/7.6.0) DingTalk/7.6.0";
  Object.defineProperty(navigator, "userAgent", { get: () => AGENT, configurable: true });

  async function code(parameters) {
    const response = await fetch("/__dingtalk/code", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(parameters || {}),
    });
    const answer = await response.json();
    if (answer.code) return { errorCode: "0", errorMessage: "", result: { code: answer.code } };
    return { errorCode: String(answer.errorCode), errorMessage: answer.errorMessage, result: {} };
  }

  const done = async () => ({ errorCode: "0", errorMessage: "", result: {} });
  const functions = {
    "runtime.permission.requestAuthCode": code,
    "runtime.permission.requestAuthCodeV2": code,
    "runtime.permission.requestJsApis": done,
    "biz.navigation.close": async () => { window.close(); return done(); },
    "biz.navigation.setTitle": done,
    "biz.util.openLink": async ({ url }) => { window.location.assign(url); return done(); },
  };
  const missing = async () => ({ errorCode: "7", errorMessage: "API not exists", result: {} });

  window.WebViewJavascriptBridge = {
    init() {},
    registerHandler() {},
    callHandler(name, parameters, callback) {
      (functions[name] || missing)(parameters).then(callback, (error) => callback({ errorCode: "-1", errorMessage: String(error), result: {} }));
    },
  };
  document.dispatchEvent(new Event("WebViewJavascriptBridgeReady"));
})();
