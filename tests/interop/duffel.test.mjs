// A flight's whole life with Duffel's own client.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Duffel } from '@duffel/api';
import { announcement, control, credentials, day, decimal, fen } from './sandbox.mjs';

const duffel = new Duffel({ token: credentials.duffel.token, basePath: announcement.duffel });

const traveller = (passenger, number = 1) => ({
  id: passenger.id, title: 'ms', gender: 'f', given_name: 'Xia', family_name: 'Lin', born_on: '1990-05-17',
  email: `xia${number}@example.com`, phone_number: '+8613800000000',
  loyalty_programme_accounts: [{ airline_iata_code: 'ZZ', account_number: '1234567890' }],
});

async function search(ahead, slices = [['PVG', 'HND']], passengers = [{ type: 'adult' }]) {
  const departure_date = await day(ahead);
  const request = await duffel.offerRequests.create({
    slices: slices.map(([origin, destination]) => ({ origin, destination, departure_date })),
    passengers, cabin_class: 'economy', return_offers: true,
  });
  return request.data;
}

const seats = (map) => map.cabins[0].rows.flatMap((row) => row.sections).flatMap((section) => section.elements)
  .filter((element) => element.type === 'seat');

before(() => control('/scenario', { reset: true }));

test('search to hold with a seat, payment, cancellation quote and confirmation', async () => {
  const found = await search(30);
  assert.ok(found.offers.length >= 3 && found.offers.length <= 6);
  const offer = (await duffel.offers.get(found.offers[0].id, { return_available_services: true })).data;
  assert.equal(offer.owner.iata_code, 'ZZ');
  assert.equal(offer.payment_requirements.requires_instant_payment, false);
  assert.equal(fen(offer.total_amount), fen(offer.base_amount) + fen(offer.tax_amount));
  assert.equal(offer.available_services.length, 1);

  const [map] = (await duffel.seatMaps.get({ offer_id: offer.id })).data;
  const seat = seats(map).find((candidate) => candidate.available_services.length && fen(candidate.available_services[0].total_amount) > 0);
  const [service] = seat.available_services;

  const held = (await duffel.orders.create({
    type: 'hold', selected_offers: [offer.id], passengers: [traveller(offer.passengers[0])],
    services: [{ id: service.id, quantity: 1 }], metadata: { step: 'hold-1' },
  })).data;
  assert.match(held.booking_reference, /^[A-Z0-9]{6}$/);
  assert.deepEqual(held.documents, []);
  assert.equal(held.payment_status.awaiting_payment, true);
  const total = fen(offer.total_amount) + fen(service.total_amount);
  assert.equal(held.total_amount, decimal(total));
  assert.equal(held.slices[0].segments[0].passengers[0].seat.designator, seat.designator);

  const listed = (await duffel.orders.list({ offer_id: offer.id })).data;
  assert.deepEqual(listed.map((order) => [order.id, order.metadata.step]), [[held.id, 'hold-1']]);

  const updated = (await duffel.orders.update(held.id, { metadata: { step: 'hold-2' } })).data;
  assert.equal(updated.metadata.step, 'hold-2');

  const payment = (await duffel.payments.create({
    order_id: held.id, payment: { type: 'balance', amount: held.total_amount, currency: held.total_currency },
  })).data;
  assert.equal(payment.status, 'succeeded');
  const ticketed = (await duffel.orders.get(held.id)).data;
  assert.equal(ticketed.documents[0].type, 'electronic_ticket');
  assert.equal(ticketed.payment_status.awaiting_payment, false);

  const quote = (await duffel.orderCancellations.create({ order_id: held.id })).data;
  assert.deepEqual([quote.refund_amount, quote.refund_to, quote.confirmed_at], [decimal(total), 'balance', null]);
  const confirmed = (await duffel.orderCancellations.confirm(quote.id)).data;
  assert.ok(confirmed.confirmed_at);

  const { flights } = await control('/book');
  const booked = flights.find((flight) => flight.id === held.id);
  assert.equal(booked.state, 'cancelled');
  assert.deepEqual(booked.seats.map((one) => one.designator), [seat.designator]);
  assert.equal(booked.passengers[0].loyalty_programme_accounts[0].account_number, '1234567890');
});

test('an airline moves a ticketed flight and the client accepts only the newest change', async () => {
  const found = await search(33);
  const offer = (await duffel.offers.get(found.offers[0].id)).data;
  const order = (await duffel.orders.create({
    type: 'instant', selected_offers: [offer.id], passengers: [traveller(offer.passengers[0])],
    payments: [{ type: 'balance', amount: offer.total_amount, currency: offer.total_currency }],
  })).data;
  for (const minutes of [45, 15]) await control('/scenario', { switch: 'airline_changes', id: order.id, minutes });
  const [older, newest] = (await duffel.airlineInitiatedChanges.list(order.id)).data;
  assert.deepEqual([older.available_actions, newest.action_taken], [[], null]);
  await assert.rejects(duffel.airlineInitiatedChanges.accept(older.id), (error) => error.errors[0].code === 'stale_airline_initiated_change_accept');
  const accepted = (await duffel.airlineInitiatedChanges.accept(newest.id)).data;
  assert.equal(accepted.action_taken, 'accepted');
  const moved = (await duffel.orders.get(order.id)).data;
  const leaves = (slices) => Date.parse(slices[0].segments[0].departing_at);
  assert.equal(leaves(moved.slices) - leaves(order.slices), 60 * 60 * 1000);
});

test('a seat that is sold disappears from every map and is refused to the next', async () => {
  const [first, second] = [await search(31), await search(31)];
  const [mine, theirs] = [first.offers[0], second.offers.find((offer) => flight(offer) === flight(first.offers[0]))];
  const [map] = (await duffel.seatMaps.get({ offer_id: mine.id })).data;
  const [same] = (await duffel.seatMaps.get({ offer_id: theirs.id })).data;
  const seat = seats(map).find((candidate) => candidate.available_services.length);
  const rival = seats(same).find((candidate) => candidate.designator === seat.designator);
  const order = (offer, service) => duffel.orders.create({
    type: 'hold', selected_offers: [offer.id], passengers: [traveller(offer.passengers[0])], services: [{ id: service.id, quantity: 1 }],
  });
  await order(mine, seat.available_services[0]);
  await assert.rejects(order(theirs, rival.available_services[0]), (error) => error.meta.status === 422);
  const [after] = (await duffel.seatMaps.get({ offer_id: theirs.id })).data;
  assert.deepEqual(seats(after).find((candidate) => candidate.designator === seat.designator).available_services, []);
});

const flight = (offer) => offer.slices[0].segments[0].marketing_carrier_flight_number;

test('an instant order for two with a bag must pay exactly the priced total', async () => {
  const found = await search(40, [['PEK', 'CTU'], ['CTU', 'PEK']], [{ type: 'adult' }, { age: 8 }]);
  const offer = (await duffel.offers.get(found.offers[0].id, { return_available_services: true })).data;
  const intended_services = [{ id: offer.available_services[0].id, quantity: 1 }];
  const priced = (await duffel.offers.getPriced(offer.id, { intended_payment_methods: [{ type: 'balance' }], intended_services })).data;
  assert.equal(fen(priced.total_amount), fen(offer.total_amount) + 2000);
  const born = `${Number((await day(40)).slice(0, 4)) - 8}-01-01`;
  const passengers = [
    traveller(offer.passengers[0]),
    { ...traveller(offer.passengers[1], 2), title: 'miss', born_on: born },
  ];
  const buy = (amount) => duffel.orders.create({
    type: 'instant', selected_offers: [offer.id], services: intended_services, passengers,
    payments: [{ type: 'balance', amount, currency: 'CNY' }],
  });
  await assert.rejects(buy(offer.total_amount), (error) => error.errors[0].code === 'payment_amount_does_not_match_order_amount');
  const order = (await buy(priced.total_amount)).data;
  assert.equal(order.documents.length, 2);
  assert.deepEqual(order.services.map((service) => service.type), ['baggage']);
});

test('the client understands every refusal', async () => {
  const past = duffel.offerRequests.create({
    slices: [{ origin: 'PVG', destination: 'HND', departure_date: '2020-01-01' }], passengers: [{ type: 'adult' }],
  });
  await assert.rejects(past, (error) => error.errors[0].type === 'validation_error' && error.meta.status === 422 && error.meta.request_id.length > 0);
  await assert.rejects(duffel.orders.get('ord_0000nothing'), (error) => error.errors[0].code === 'not_found');
  const stranger = new Duffel({ token: 'duffel_test_wrong', basePath: announcement.duffel });
  await assert.rejects(stranger.airports.list(), (error) => error.meta.status === 401);
  const gone = await search(20, [['LGW', 'LHR']]);
  await assert.rejects(duffel.offers.get(gone.offers[0].id), (error) => error.errors[0].code === 'offer_no_longer_available');
});

test('places, airports and webhooks answer the client', async () => {
  const places = (await duffel.suggestions.list({ query: 'tokyo' })).data;
  assert.ok(places.some((place) => place.iata_code === 'HND'));
  const airports = (await duffel.airports.list({ limit: 3 }));
  assert.equal(airports.data.length, 3);
  const next = await duffel.airports.list({ limit: 3, after: airports.meta.after });
  assert.notEqual(next.data[0].id, airports.data[0].id);
  assert.equal((await duffel.airports.get(airports.data[0].id)).data.id, airports.data[0].id);
  const hook = (await duffel.webhooks.create({ url: 'http://127.0.0.1:9/hook', events: ['order.created'] })).data;
  assert.equal(hook.secret, credentials.duffel.webhook_secret);
  assert.deepEqual((await duffel.webhooks.list({})).data.map((one) => one.id), [hook.id]);
  // The client cannot read the documented 204 without a body; the deletion itself is what counts.
  await duffel.webhooks.delete(hook.id).catch((error) => assert.ok(error instanceof TypeError));
  assert.deepEqual((await duffel.webhooks.list({})).data, []);
});
