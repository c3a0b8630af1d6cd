// While backups are read for a search, its page asks again until there is an answer.
'use strict';
(() => {
  let waiting = 0;
  const again = () => {
    clearTimeout(waiting);
    const found = document.querySelector('#found[data-again]');
    if (found) waiting = setTimeout(() => look(found), 1000);
  };
  async function look(found) {
    try {
      const answer = await fetch(found.dataset.again, { headers: { 'X-Swap': '1' } });
      const next = new DOMParser().parseFromString(await answer.text(), 'text/html').querySelector('#found');
      if (!found.isConnected) return; // another search began meanwhile
      if (!next) { location.reload(); return; }
      const put = document.importNode(next, true);
      found.replaceWith(put);
      const line = document.querySelector('#told');
      if (line && put.dataset.told) line.textContent = put.dataset.told;
      document.dispatchEvent(new CustomEvent('shown', { detail: { root: put } }));
    } catch {
      again();
    }
  }
  document.addEventListener('shown', again);
  again();
})();
