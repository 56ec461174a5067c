// A stay's whole life with Duffel's own client.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Duffel } from '@duffel/api';
import { announcement, control, credentials, day, fen } from './sandbox.mjs';

const duffel = new Duffel({ token: credentials.duffel.token, basePath: announcement.duffel });
const tokyo = { latitude: 35.6895, longitude: 139.69171 };

before(() => control('/scenario', { reset: true }));

test('search to rates, quote, booking and cancellation', async () => {
  const [check_in_date, check_out_date] = [await day(30), await day(33)];
  const search = (await duffel.stays.search({
    rooms: 1, guests: [{ type: 'adult' }], check_in_date, check_out_date, location: { radius: 5, geographic_coordinates: tokyo },
  })).data;
  assert.ok(search.results.length >= 3);
  const result = (await duffel.stays.searchResults.fetchAllRates(search.results[0].id)).data;
  const rates = result.accommodation.rooms.flatMap((room) => room.rates);
  const cheapest = Math.min(...rates.map((rate) => fen(rate.total_amount)));
  assert.equal(fen(search.results[0].cheapest_rate_total_amount), cheapest);
  assert.ok(rates.some((rate) => rate.cancellation_timeline.length === 0));

  const rate = rates.find((candidate) => candidate.cancellation_timeline.length === 2 && candidate.board_type === 'breakfast');
  const [free, fee] = rate.cancellation_timeline;
  assert.equal(free.refund_amount, rate.total_amount);
  assert.equal(fen(rate.total_amount) - fen(fee.refund_amount), fen(rate.total_amount) / 3);
  assert.ok(Date.parse(free.before) < Date.parse(fee.before));

  const quote = (await duffel.stays.quotes.create(rate.id)).data;
  assert.equal(quote.total_amount, rate.total_amount);
  assert.equal((await duffel.stays.quotes.get(quote.id)).data.id, quote.id);
  const booking = (await duffel.stays.bookings.create({
    quote_id: quote.id, email: 'xia@example.com', phone_number: '+8613800000000',
    guests: [{ given_name: 'Xia', family_name: 'Lin', born_on: '1990-05-17' }], metadata: { step: 'stay-1' },
  })).data;
  assert.match(booking.reference, /^HB-\d{8}$/);
  assert.equal(booking.status, 'confirmed');
  const listed = (await duffel.stays.bookings.list()).data;
  assert.equal(listed.find((one) => one.metadata.step === 'stay-1').id, booking.id);

  const again = duffel.stays.bookings.create({
    quote_id: quote.id, email: 'xia@example.com', phone_number: '+8613800000000', guests: [{ given_name: 'Xia', family_name: 'Lin' }],
  });
  await assert.rejects(again, (error) => error.meta.status === 422);

  await duffel.stays.bookings.cancel(booking.id);
  assert.equal((await duffel.stays.bookings.get(booking.id)).data.status, 'cancelled');
  const kept = (await control('/book')).stays.find((stay) => stay.id === booking.id);
  assert.deepEqual([kept.status, kept.refund_amount], ['cancelled', rate.total_amount]);
});
