// Photos: choosing several, the arrow keys, and films that a browser cannot play.
'use strict';
(() => {
  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  const MOST = 1500; // as many as fit into what a form may send

  // ── choosing ────────────────────────────────────────────────────────────────────────────────────────────

  function choosing(on) {
    const form = one('#picked'), button = one('[data-choose]:not([data-choose="stop"])');
    if (!form) return;
    form.classList.toggle('choosing', on);
    button?.setAttribute('aria-pressed', on);
    if (!on) all('.pick:checked', form).forEach(box => { box.checked = false; });
    count();
    (on ? one('.pick', form) : button)?.focus();
  }

  function count() {
    const chosen = all('#picked .pick:checked').length, line = one('#picked-count');
    if (!line) return;
    line.textContent = chosen ? `${chosen.toLocaleString('en')} ${chosen === 1 ? 'photo' : 'photos'} chosen` : 'Choose photos to take them out together.';
  }

  document.addEventListener('click', event => {
    const button = event.target.closest('[data-choose]');
    if (button) choosing(button.dataset.choose !== 'stop' && button.getAttribute('aria-pressed') !== 'true');
    const square = event.target.closest('#picked.choosing .photo > a');
    if (square && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      const box = one('.pick', square.parentElement);
      box.checked = !box.checked;
      count();
    }
  }, true);
  document.addEventListener('change', event => { if (event.target.matches('.pick')) count(); });
  document.addEventListener('submit', event => {
    if (event.target.id !== 'picked') return;
    const chosen = all('.pick:checked', event.target).length;
    if (!chosen || chosen > MOST) event.preventDefault();
    if (chosen > MOST) one('#picked-count').textContent = `At most ${MOST.toLocaleString('en')} at once. Take out a part of them first.`;
    // A download leaves the page as it is, so the button must be free again.
    setTimeout(() => all('.button[aria-busy]', event.target).forEach(each => each.removeAttribute('aria-busy')), 1500);
  });

  // ── one photo: the arrow keys walk, Escape goes back ────────────────────────────────────────────────────

  document.addEventListener('keydown', event => {
    if (!one('.viewer') || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest('input, select, textarea, video, .thread, dialog')) return;
    const way = { ArrowLeft: '.viewer-head [rel="prev"]', ArrowRight: '.viewer-head [rel="next"]', Escape: '#photo-back' }[event.key];
    const link = way && one(way);
    if (link) { event.preventDefault(); link.click(); }
  });

  // ── the grid: the arrow keys walk from square to square ─────────────────────────────────────────────────

  document.addEventListener('keydown', event => {
    const square = event.target.closest?.('.photo > a');
    if (!square || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const squares = all('.photo > a'), at = squares.indexOf(square), box = square.getBoundingClientRect();
    let to = { ArrowLeft: at - 1, ArrowRight: at + 1 }[event.key];
    if (event.key === 'ArrowUp' || event.key === 'ArrowDown') {
      const down = event.key === 'ArrowDown';
      const others = squares.map((each, number) => ({ number, box: each.getBoundingClientRect() }))
        .filter(each => down ? each.box.top > box.top + 2 : each.box.top < box.top - 2);
      const row = down ? Math.min(...others.map(each => each.box.top)) : Math.max(...others.map(each => each.box.top));
      const near = others.filter(each => Math.abs(each.box.top - row) < 2).sort((a, b) => Math.abs(a.box.left - box.left) - Math.abs(b.box.left - box.left));
      to = near[0]?.number;
    }
    if (!squares[to]) return;
    event.preventDefault();
    squares[to].focus();
  });

  // ── films and pictures that this browser cannot show ────────────────────────────────────────────────────

  function watch(root) {
    for (const picture of all('.viewer img[data-else]', root)) {
      const small = () => {
        if (!picture.dataset.else) return;
        picture.src = picture.dataset.else;
        delete picture.dataset.else;
        one('.cannot-show', picture.parentElement).hidden = false;
      };
      picture.addEventListener('error', small);
      if (picture.complete && !picture.naturalWidth) small();
    }
    for (const film of all('.viewer video', root)) {
      film.addEventListener('error', () => {
        const said = one('.cannot-play', film.parentElement);
        if (said) said.hidden = false;
      });
    }
  }
  document.addEventListener('shown', event => watch(event.detail.root));
  watch(document);
})();
