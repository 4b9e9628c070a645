// The page of images: upload and gallery.

import { composer } from '../images/composer.js';
import { gallery } from '../images/gallery.js';

export function mount(main, { signal, state }) {
  composer({ signal });
  gallery({ signal, state });
}
