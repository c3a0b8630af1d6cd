// What makes the pages smooth. Without it every page still reads, searches, downloads and unlocks: links are links,
// forms are forms. Pages may listen to "shown" on the document: something new is in event.detail.root.
'use strict';
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const shown = root => document.dispatchEvent(new CustomEvent('shown', { detail: { root } }));
  const tell = text => { const line = one('#told'); if (line) line.textContent = text; };
  const asPage = text => new DOMParser().parseFromString(text, 'text/html');
  document.documentElement.classList.add('scripted');

  // ── another page, without loading the frame again ───────────────────────────────────────────────────────

  const PARTS = ['#top', '#rail', '#dock', '#main'];
  const here = () => location.pathname + location.search;
  let loading = null, shownAt = here(), name = document.title, running = '';
  const titled = () => { document.title = running ? `${running}, ${name}` : name; }; // what runs leads it

  async function load(address, { push = true, keep = false } = {}) {
    loading?.abort();
    const mine = loading = new AbortController();
    document.body.classList.add('is-loading');
    try {
      const answer = await fetch(address, { signal: mine.signal, headers: { 'X-Swap': '1' } });
      const kind = answer.headers.get('content-type') || '';
      if (!kind.startsWith('text/html')) { location.href = address; return; }
      const page = asPage(await answer.text());
      if (!one('#main', page) || !samePhone(page)) { location.href = answer.url; return; }
      if (push) history.pushState({}, '', answer.url + new URL(address, location.href).hash);
      shownAt = here();
      put(page, keep);
    } catch (error) {
      if (error.name !== 'AbortError') location.href = address;
    } finally {
      if (loading === mine) { loading = null; document.body.classList.remove('is-loading'); }
    }
  }

  const samePhone = page => PARTS.every(part => !one(part) === !one(part, page));

  function put(page, keep) {
    const focused = document.activeElement?.closest('.thread') ? 'thread' : '';
    const strip = one('#rail ul')?.scrollLeft ?? 0;
    for (const part of PARTS) {
      const now = one(part), next = one(part, page);
      if (now && next) now.replaceWith(document.importNode(next, true));
    }
    name = page.title;
    titled();
    document.body.className = page.body.className;
    for (const wanted of all('script[src], link[rel="stylesheet"]', page)) {
      const [kind, name] = wanted.matches('script') ? ['script', 'src'] : ['link', 'href'];
      const address = new URL(wanted.getAttribute(name), location.href).href;
      if (all(kind).some(known => known[name] === address)) continue;
      const added = document.createElement(kind);
      if (kind === 'link') added.rel = 'stylesheet';
      added[name] = address;
      document.head.append(added);
    }
    if (one('#rail ul')) one('#rail ul').scrollLeft = strip;
    ready(document);
    shown(document);
    if (keep) {
      if (focused) one('.dock .bead[aria-current]')?.focus({ preventScroll: true });
      tell(one('.moment-now')?.textContent.trim() ?? '');
      return;
    }
    scrollTo(0, 0);
    const heading = one('#main .pane-detail h2[tabindex]') ?? one('#main h1');
    if (heading) { heading.tabIndex = -1; heading.focus({ preventScroll: true }); }
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target) target.scrollIntoView({ block: 'center' });
  }

  document.addEventListener('click', event => {
    const link = event.target.closest('a[href]');
    if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    if (link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
    const area = link.closest('[data-swap], [data-swap-one]');
    if (link.dataset.more) { event.preventDefault(); grow(link, true); return; }
    if (!area || link.closest('[data-no-swap]')) return;
    if (link.pathname === location.pathname && link.search === location.search && link.hash) return;
    event.preventDefault();
    load(link.href, { keep: Boolean(link.closest('[data-keep]')) });
  });
  // A step to another place on the same page comes here, too; the browser has done it already.
  addEventListener('popstate', () => { if (here() !== shownAt) load(location.href, { push: false }); });
  addEventListener('pageshow', event => { if (event.persisted) location.reload(); });

  // ── lists that load their next part when their end comes into view ──────────────────────────────────────

  const near = new IntersectionObserver(seen => seen.forEach(each => { if (each.isIntersecting) grow(each.target); }), { rootMargin: '600px' });

  async function grow(link, asked = false) {
    if (link.dataset.busy) return;
    link.dataset.busy = '1';
    near.unobserve(link);
    const list = one(link.dataset.more), box = link.closest('.more') ?? link;
    try {
      const answer = await fetch(link.href, { headers: { 'X-Swap': '1' } });
      const page = answer.ok ? asPage(await answer.text()) : null;
      const more = page && one(link.dataset.more, page);
      if (!list || !more) { if (asked) location.href = link.href; return; }
      const added = [...more.children].map(child => document.importNode(child, true));
      const next = all('a[data-more]', page).find(each => each.dataset.more === link.dataset.more && each.dataset.moreTo === link.dataset.moreTo);
      const nextBox = next && document.importNode(next.closest('.more') ?? next, true);
      const atStart = link.dataset.moreTo === 'start', height = document.documentElement.scrollHeight;
      atStart ? list.prepend(...added) : list.append(...added);
      nextBox ? box.replaceWith(nextBox) : box.remove();
      if (atStart) scrollBy(0, document.documentElement.scrollHeight - height);
      if (asked) added.map(each => each.matches('a, button') ? each : one('a, button', each)).find(Boolean)?.focus({ preventScroll: true });
      ready(nextBox ?? list);
      shown(list);
    } catch {
      delete link.dataset.busy;
      tell('The next part could not be loaded. Select the button to try again.');
    }
  }

  // ── forms that answer while one types: <form data-live="#found">, the answer has data-told for the status line ──

  let typing = 0;
  document.addEventListener('input', event => {
    const form = event.target.closest('form[data-live]');
    if (form && event.target.type !== 'range') {
      clearTimeout(typing);
      typing = setTimeout(() => answer(form), 300);
    }
    const gate = event.target.dataset.gate;
    if (gate) one(gate).disabled = plain(event.target.value) !== plain(event.target.dataset.name);
  });
  document.addEventListener('change', event => {
    const form = event.target.closest('form[data-live]');
    if (form && event.target.matches('select, [type="checkbox"], [type="radio"], [type="range"], [type="date"]')) answer(form);
    if (event.target.closest('form[data-on-change]')) event.target.form.requestSubmit();
  });
  document.addEventListener('submit', event => {
    const form = event.target;
    if (form.matches('form[data-live]')) { event.preventDefault(); answer(form); return; }
    for (const next of all('input[data-here]', form)) next.value = next.dataset.here && location.pathname.startsWith('/run/') ? next.dataset.here : here();
    if (form.method === 'post' && event.submitter?.matches('.button')) {
      // Not disabled: its own name and value must be sent, too.
      if (event.submitter.getAttribute('aria-busy') === 'true') event.preventDefault();
      else event.submitter.setAttribute('aria-busy', 'true');
    }
  });
  addEventListener('pagehide', () => all('[aria-busy="true"].button').forEach(each => each.removeAttribute('aria-busy')));

  let answering = null;
  async function answer(form) {
    const words = one('input[type="search"], input[name="q"]', form)?.value.trim() ?? '';
    if (words.length === 1) return;
    const address = new URL(form.action);
    address.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value)).toString();
    answering?.abort();
    answering = new AbortController();
    try {
      const page = asPage(await (await fetch(address, { signal: answering.signal, headers: { 'X-Swap': '1' } })).text());
      const now = one(form.dataset.live), next = one(form.dataset.live, page);
      if (!now || !next) { location.href = address; return; }
      history.replaceState({}, '', address);
      shownAt = here();
      const put = document.importNode(next, true);
      now.replaceWith(put);
      if (put.dataset.told) tell(put.dataset.told);
      ready(put);
      shown(put);
    } catch (error) {
      if (error.name !== 'AbortError') tell('ibackup does not answer.');
    }
  }

  // ── dialogs, passwords, names that must be typed, print ─────────────────────────────────────────────────

  const plain = text => text.normalize('NFKC').replace(/[’‘ʼ`´]/g, "'").replace(/\s+/g, ' ').trim().toLowerCase(); // as the server compares
  document.addEventListener('click', event => {
    const pressed = event.target.closest('button, dialog');
    if (!pressed) return;
    if (pressed.tagName === 'DIALOG') { if (event.target === pressed) pressed.close(); return; }
    const { open, peek } = pressed.dataset;
    if (open) one(open)?.showModal();
    if (pressed.hasAttribute('data-close')) { event.preventDefault(); pressed.closest('dialog')?.close(); }
    if (pressed.hasAttribute('data-print')) print();
    if (peek) {
      const field = one(peek), see = field.type === 'password';
      field.type = see ? 'text' : 'password';
      pressed.setAttribute('aria-pressed', see);
      one('span', pressed).textContent = see ? 'Hide' : 'Show';
    }
  });
  document.addEventListener('click', event => all('details.menu[open]').forEach(menu => { if (!menu.contains(event.target)) menu.open = false; }));
  document.addEventListener('keydown', event => {
    if (event.key === 'Escape') all('details.menu[open]').forEach(menu => { menu.open = false; one('summary', menu).focus(); });
    const row = event.target.closest('[data-walk]');
    if (!row || event.altKey || event.ctrlKey || event.metaKey) return;
    const stops = all('a, button', row), at = stops.indexOf(event.target.closest('a, button'));
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: stops.length - 1 }[event.key];
    if (at < 0 || to === undefined || !stops[to]) return;
    event.preventDefault();
    stops[at].tabIndex = -1;
    stops[to].tabIndex = 0;
    stops[to].focus();
  });

  function ready(root) {
    all('a[data-more]', root).forEach(link => near.observe(link));
    all('[data-gate]', root).forEach(field => { one(field.dataset.gate).disabled = plain(field.value) !== plain(field.dataset.name); });
    all('.plot', root).forEach(plot => { plot.scrollLeft = plot.scrollWidth; });
    all('[data-again]', root).forEach(each => setTimeout(() => look(each), Number(each.dataset.after ?? 1500)));
    const track = one('.dock .track', root), bead = track && one('[aria-current]', track);
    if (bead) track.scrollLeft = bead.offsetLeft + bead.parentElement.offsetLeft - track.clientWidth * .6;
    const here = one('.rail [aria-current]', root), strip = here?.closest('ul');
    if (here && strip.scrollWidth > strip.clientWidth) strip.scrollLeft = here.offsetLeft - strip.clientWidth / 2;
  }

  // ── what is still being read: <p data-again="#part"> has the part fetched again until it is there ────────
  // A page that waits as a whole has such a part alone: once it is gone, the page that was asked for takes its place.

  async function look(waiting) {
    const part = waiting.dataset.again;
    if (!waiting.isConnected || !one(part)) return;
    try {
      const page = asPage(await (await fetch(location.href, { headers: { 'X-Swap': '1' } })).text());
      const next = one(part, page);
      if (!waiting.isConnected) return;
      if (!next) {
        if (one('#main', page) && samePhone(page)) put(page, false); else location.reload();
        return;
      }
      const fresh = document.importNode(next, true);
      one(part).replaceWith(fresh);
      ready(fresh);
      shown(fresh);
    } catch { setTimeout(() => look(waiting), 3000); }
  }

  document.addEventListener('added', event => ready(event.detail.root)); // a page's own script put something there

  // ── live: what runs, and whether ibackup still answers ──────────────────────────────────────────────────
  // "run" and "progress" carry HTML: each element with an id replaces the one of that id. "told" is for the status
  // line, "title" what leads the window's title, "locked" that nothing decrypted may stay on the screen.

  // A refused stream, for example because too many pages are open, does not mean that ibackup has ended.
  const answers = () => fetch(one('script[src]').src, { method: 'HEAD', cache: 'no-store' }).then(() => true, () => false);

  // One of this browser's open pages listens and passes everything on to the others: a browser opens only six
  // connections to one host, and each stream is one.

  const others = window.BroadcastChannel && navigator.locks ? new BroadcastChannel('ibackup-live') : null;
  let source = null, since = 0, closed = false, ended = false;

  const replace = (kind, html) => {
    for (const part of all('[id]', asPage(html).body)) {
      if (part.parentElement?.closest('[id]')) continue;
      const now = document.getElementById(part.id), focused = document.activeElement;
      if (!now || now.isEqualNode(part) || one('dialog[open]', now)) continue;
      const held = now.contains(focused) ? focused.id : '';
      if (kind === 'progress' && now.contains(focused)) continue;
      const next = document.importNode(part, true);
      now.replaceWith(next);
      if (held) document.getElementById(held)?.focus({ preventScroll: true });
      ready(next);
      shown(next);
    }
  };
  const heard = {
    run: html => replace('run', html),
    progress: html => replace('progress', html),
    told: tell,
    title: text => { running = text; titled(); },
    locked: () => { all('#main, dialog').forEach(each => each.replaceChildren()); location.reload(); },
    here: () => { if (closed) location.reload(); since = 0; one('#lost').hidden = true; },
    lost: () => { since ||= Date.now(); },
  };

  function hear(kind, data) {
    others?.postMessage({ kind, data });
    heard[kind](data);
  }

  // A new stream begins with the whole present state.
  function listen() {
    if (ended) return;
    source?.close();
    source = new EventSource(document.body.dataset.events);
    source.onopen = () => hear('here');
    source.onerror = () => {
      hear('lost');
      if (source.readyState === EventSource.CLOSED) answers().then(is => { if (is) hear('here'); setTimeout(listen, is ? 30000 : 2000); });
    };
    for (const kind of ['run', 'progress', 'told', 'title', 'locked']) source.addEventListener(kind, event => hear(kind, event.data));
  }

  function live() {
    if (!document.body.dataset.events) return;
    if (!others) { listen(); return; }
    // A page that has just been loaded may have missed what happened since the server wrote it.
    others.onmessage = ({ data }) => { if (data.kind !== 'again') heard[data.kind](data.data); else if (source) listen(); };
    others.postMessage({ kind: 'again' });
    navigator.locks.request('ibackup-live', () => new Promise(listen)).catch(listen); // held until this page goes
  }
  setInterval(() => {
    if (!since || closed) return;
    const passed = Date.now() - since;
    if (passed > 3000) one('#lost').hidden = false;
    if (passed > 20000) {
      closed = true;
      one('#lost').hidden = true;
      const said = one('#closed').content.cloneNode(true), main = one('#main');
      all('dialog[open]').forEach(each => each.close());
      main.replaceChildren(said);
      one('h1', main).focus();
    }
  }, 500);
  addEventListener('pagehide', () => { ended = true; source?.close(); });

  ready(document);
  live();
  shown(document);
})();
