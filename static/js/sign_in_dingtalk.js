// Asks DingTalk's client for a sign-in code (免登) and goes back with it: #client-sign-in[data-return], data-corp-id, data-client-id.
// https://open.dingtalk.com/document/development/jsapi-request-auth-code
(() => {
  const PATIENCE_MS = 15000;
  const page = document.getElementById("client-sign-in");
  const { corpId, clientId } = page.dataset;
  let isOver = false;

  const show = (name) => page.querySelectorAll("[data-when]").forEach((part) => { part.hidden = part.dataset.when !== name; });

  const giveUp = (reason) => {
    if (isOver) return;
    isOver = true;
    page.querySelector("[data-reason]").textContent = reason;
    show("failed");
    page.querySelector("[data-when=failed]").focus();
  };

  const goBack = (answer) => {
    if (!answer || !answer.code) throw answer;
    if (isOver) return;
    isOver = true;
    location.replace(`${page.dataset.return}&code=${encodeURIComponent(answer.code)}`);
  };

  const wordsOf = (error) => {
    if (!error) return "";
    const code = error.errorCode || error.code;
    return [error.errorMessage || error.message, code && `(${code})`].filter(Boolean).join(" ");
  };

  // Clients before 7.0.45 know the older call alone.
  const askForCode = () => dd.requestAuthCode({ corpId, clientId }).catch(() => dd.requestAuthCodeOldWay({ corpId }));

  setTimeout(() => giveUp(""), PATIENCE_MS);
  askForCode().then(goBack).catch((error) => giveUp(wordsOf(error)));
})();
