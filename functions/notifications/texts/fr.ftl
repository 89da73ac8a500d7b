# Les textes des courriels en français.
# La valeur d'un message est l'objet ; ses attributs sont les parties du courriel. Une ligne vide commence un paragraphe.

greeting = Bonjour { $name },
greeting-anonymous = Bonjour,
signature = Bien à vous, l’équipe Tenantry
link-hint = Si le bouton ne fonctionne pas, copiez cette adresse dans votre navigateur :
help = Une question ? Écrivez à { $support }. De vraies personnes vous lisent et vous répondent.

verification = Veuillez confirmer votre adresse e-mail
    .preheader = Un clic, et vous pourrez mettre en ligne votre premier site.
    .title = Plus qu’un clic
    .body =
        Bienvenue chez Tenantry ! Confirmez que cette adresse est bien la vôtre, et vous pourrez déployer votre premier site.

        Le lien fonctionne une seule fois, pendant { $hours ->
            [one] une heure
           *[other] { $hours } heures
        }.
    .button = Confirmer mon adresse
    .note = Vous ne vous êtes pas inscrit ? Ignorez ce courriel : sans votre clic, il ne se passe rien.

welcome = Bienvenue chez Tenantry
    .preheader = Votre adresse est confirmée. Voici la suite.
    .title = Ravis de vous compter parmi nous
    .body =
        Votre adresse est confirmée et tout est prêt pour vous.

        Le meilleur premier pas prend une minute : choisissez un nom, et nous construisons votre site avec son stockage, son adresse et sa messagerie.
    .button = Déployer mon premier site
    .note = Vous recevez ce courriel une seule fois, parce que vous venez de confirmer votre adresse.

site-ready = { $fqdn } est en ligne
    .preheader = Votre site est construit et répond à son nom.
    .title = Votre site est en ligne
    .body =
        Bonne nouvelle : { $fqdn } est construit et répond à son nom. Le stockage et le DNS sont prêts eux aussi.

        Le domaine de messagerie de votre site est vérifié en arrière-plan ; cela peut prendre un moment, et vous n’avez rien à faire.
    .button = Ouvrir mon site
    .note = Vous recevez ce courriel parce qu’une personne de votre organisation a demandé ce site.

provisioning-failed = { $fqdn } n’est pas encore en ligne
    .preheader = Quelque chose s’est mal passé chez nous. Voici la suite.
    .title = Nous n’avons pas pu construire votre site
    .body = { $outcome ->
        [undone]
            Nous sommes désolés : { $fqdn } n’a pas pu être construit. Tout ce qui avait été commencé est défait, rien n’est facturé et le nom est de nouveau libre.

            Essayez encore une fois, s’il vous plaît. Si cela échoue à nouveau, indiquez-nous le numéro { $operation } et nous regardons aussitôt.
       *[waiting]
            Nous sommes désolés : la construction de { $fqdn } s’est arrêtée à une étape que notre équipe doit regarder. Elle est prévenue.

            Vous n’avez rien à faire : nous reprenons là où cela s’est arrêté et vous écrivons dès que votre site est en ligne. Pour toute question, mentionnez le numéro { $operation }.
    }
    .button = Voir où cela en est
    .note = Vous recevez ce courriel parce qu’une personne de votre organisation a demandé ce site.

contact-message = Contact : { $subject }
    .preheader = { $name } a écrit par le formulaire de contact.
    .title = Un message de { $name }
    .body = { $name } ({ $email }) a écrit par le formulaire de contact. Votre réponse à ce courriel lui parviendra.
    .note = Personne n’a vérifié que cette adresse est bien celle de l’auteur.

date = { $first ->
    [yes] 1er
   *[no] { $day }
} { $month ->
    [jan] janvier
    [feb] février
    [mar] mars
    [apr] avril
    [may] mai
    [jun] juin
    [jul] juillet
    [aug] août
    [sep] septembre
    [oct] octobre
    [nov] novembre
   *[dec] décembre
} { $year }

trial-notice = { $days ->
    [one] Votre essai de Tenantry { $product } se termine demain
   *[other] Votre essai de Tenantry { $product } se termine dans { $days } jours
}
    .preheader = Choisissez une formule, et tout reste en place.
    .title = { $days ->
        [one] Plus qu’un jour
       *[other] Plus que { $days } jours
    }
    .body =
        Votre essai de Tenantry { $product } se termine le { $date }.

        Choisissez une formule d’ici là, et tout reste en place : ce que vous avez construit, son adresse et ses données. Vous payez à partir du jour de votre choix et pouvez partir à tout moment.
    .button = Choisir une formule
    .note = Vous n’avez rien à faire pour mettre fin à l’essai ; rien n’est facturé sans votre accord.

trial-grace = Votre essai de Tenantry { $product } est terminé
    .preheader = Ce que vous avez construit reste en ligne jusqu’au { $date }.
    .title = Ce que vous avez construit est toujours là
    .body = { $cause ->
        [failed]
            Votre paiement pour Tenantry { $product } n’est pas arrivé, et votre essai s’est terminé entre-temps.

            Ce que vous avez construit reste en ligne jusqu’au { $date }, mais rien de nouveau ne peut être créé. Essayez un autre moyen de paiement, et tout continue aussitôt.
       *[over]
            Votre essai de Tenantry { $product } est terminé. Ce que vous avez construit reste en ligne jusqu’au { $date }, mais rien de nouveau ne peut être créé.

            Choisissez une formule d’ici là, et tout continue comme avant.
    }
    .button = Choisir une formule
    .note = Rien n’est facturé sans votre accord.

trial-expired = Tenantry { $product } est désactivé
    .preheader = Vos données sont conservées jusqu’au { $date }.
    .title = Nous gardons vos données pour vous
    .body =
        Votre essai de Tenantry { $product } est terminé et aucune formule n’a été choisie. Ce que vous avez construit est désactivé.

        Vos données sont conservées jusqu’au { $date }. Choisissez une formule d’ici là, et tout revient sous son propre nom. Passé ce jour, nous les supprimons définitivement.
    .button = Tout rétablir
    .note = Si vous n’en avez plus besoin, vous n’avez rien à faire. Merci d’avoir essayé.

trial-converted = Bienvenue dans Tenantry { $product } { $plan }
    .preheader = Votre paiement est arrivé. Voici ce qui change.
    .title = Merci
    .body = { $late ->
        [yes]
            Votre paiement est arrivé, et vous disposez maintenant de la formule { $plan } de Tenantry { $product }. Ce qui était désactivé revient sous son propre nom, avec ses données.

            Vous n’avez rien à faire. Le reçu arrive dans un courriel à part.
       *[no]
            Votre paiement est arrivé, et vous disposez maintenant de la formule { $plan } de Tenantry { $product }. Ce que vous avez construit pendant l’essai continue ; si la formule comprend des machines dédiées, nous l’y déplaçons sans que vous ayez à intervenir.

            Le reçu arrive dans un courriel à part.
    }
    .button = Voir ma formule
    .note = Vous recevez ce courriel parce que votre organisation a choisi une formule.

payment-failed = Votre paiement pour Tenantry { $product } a échoué
    .preheader = { $amount } n’ont pas pu être encaissés. Tout fonctionne encore.
    .title = Votre paiement n’a pas abouti
    .body = { $retry ->
        [yes]
            Nous n’avons pas pu encaisser { $amount } pour Tenantry { $product }. Cela arrive : une carte est expirée, ou une banque demande quelque chose.

            Nous réessayons le { $next }. Payez d’ici là ou corrigez votre moyen de paiement, et l’affaire est réglée. Tout fonctionne comme avant jusqu’au { $date } ; ensuite, l’accès serait restreint.
       *[no]
            Nous n’avons pas pu encaisser { $amount } pour Tenantry { $product }, et il n’y aura pas d’autre essai automatique.

            Veuillez payer ou corriger votre moyen de paiement. Tout fonctionne comme avant jusqu’au { $date } ; ensuite, l’accès serait restreint.
    }
    .button = Payer maintenant
    .note = Si vous avez payé entre-temps, ignorez ce courriel.

payment-action-required = Veuillez confirmer votre paiement pour Tenantry { $product }
    .preheader = Votre banque demande votre confirmation pour { $amount }.
    .title = Votre banque vous demande
    .body =
        Votre banque souhaite que vous confirmiez vous-même le paiement de { $amount } pour Tenantry { $product }. Cela prend une minute.

        D’ici là, le paiement reste en attente et rien n’est débité.
    .button = Confirmer le paiement
    .note = Les banques européennes le demandent de temps en temps, pour vous protéger.

access-changed = { $level ->
    [restricted] L’accès à Tenantry { $product } est restreint
    [suspended] Tenantry { $product } est suspendu
   *[open] Tenantry { $product } fonctionne de nouveau
}
    .preheader = { $level ->
        [open] Votre paiement est arrivé.
       *[other] { $amount } restent à payer.
    }
    .title = { $level ->
        [restricted] Rien de nouveau ne peut être créé pour l’instant
        [suspended] Votre produit est désactivé
       *[open] Merci, tout va bien
    }
    .body = { $level ->
        [restricted]
            { $amount } restent à payer pour Tenantry { $product }. Ce que vous avez continue de fonctionner et peut être récupéré, mais rien de nouveau ne peut être créé.

            Sans paiement d’ici au { $date }, il sera désactivé. Dès que vous payez, tout s’ouvre de nouveau.
        [suspended]
            { $amount } restent à payer pour Tenantry { $product }, qui est donc désactivé. Vos données sont conservées.

            Sans paiement d’ici au { $date }, votre abonnement prend fin. Dès que vous payez, tout revient aussitôt.
       *[open]
            Votre paiement est arrivé, et Tenantry { $product } est de nouveau entièrement ouvert.

            Merci. Vous n’avez rien à faire.
    }
    .button = { $level ->
        [open] Voir ma formule
       *[other] Payer maintenant
    }
    .note = Vous recevez ce courriel parce que l’organisation concernée vous appartient.

card-expiring = Votre carte se terminant par { $last4 } arrive à expiration
    .preheader = Ajoutez-en une autre, pour que rien ne s’arrête.
    .title = Une nouvelle carte, s’il vous plaît
    .body =
        Votre carte { $brand } se terminant par { $last4 } n’est valable que jusqu’en { $month }.

        Ajoutez-en une autre d’ici là, pour que vos formules se renouvellent sans interruption.
    .button = Ajouter une carte
    .note = Si votre banque nous a communiqué votre nouvelle carte, vous n’avez rien à faire.

spend-cap = { $outcome ->
    [stopped] Votre plafond pour { $meter } est atteint et l’usage est arrêté
    [reached] Votre plafond pour { $meter } est atteint
   *[open] { $percent } % de votre plafond pour { $meter } sont utilisés
}
    .preheader = Le plafond est de { $amount }.
    .title = { $outcome ->
        [open] { $percent } % de votre plafond sont utilisés
       *[reached] Votre plafond est atteint
    }
    .body = { $outcome ->
        [stopped] Votre usage de { $meter } dans Tenantry { $product } a atteint votre plafond de { $amount }. Plus rien ne peut être utilisé avant que le plafond soit relevé ou que sa période soit écoulée.
        [reached] Votre usage de { $meter } dans Tenantry { $product } a atteint votre plafond de { $amount }. L’usage continue : le plafond ne fait que vous avertir.
       *[open] Votre usage de { $meter } dans Tenantry { $product } a atteint { $percent } % de votre plafond de { $amount }.
    }
    .button = Voir vos plafonds
    .note = Vous recevez ce message à 50, 80 et 100 %, une fois par période du plafond.

receipt = Votre reçu { $number }
    .preheader = { $amount }, payés le { $date }.
    .title = Merci pour votre paiement
    .body = { $taxed ->
        [yes] Nous avons reçu { $amount } le { $date } pour la facture { $number }, dont { $tax } de taxes.
       *[no] Nous avons reçu { $amount } le { $date } pour la facture { $number }.
    }
    .button = Voir la facture
    .note = Conservez ce courriel pour votre comptabilité ; toutes les factures se trouvent aussi dans votre compte.

refund = { $amount } vous sont remboursés
    .preheader = Nous les avons renvoyés sur votre moyen de paiement.
    .title = Votre argent est en route
    .body =
        Nous avons renvoyé { $amount } sur votre moyen de paiement. Les banques mettent cinq à dix jours à l’afficher.
    .button = Voir mes factures
    .note = Vous recevez ce courriel parce qu’un paiement de votre organisation a été remboursé.

cancellation = { $outcome ->
    [ahead] Votre formule Tenantry { $product } se termine le { $date }
    [back] Votre formule Tenantry { $product } continue
    [trial] Votre essai de Tenantry { $product } est annulé
   *[over] Votre formule Tenantry { $product } est terminée
}
    .preheader = { $outcome ->
        [back] Tout reste en place.
       *[other] Voici ce que deviennent vos données.
    }
    .title = { $outcome ->
        [ahead] Votre formule va se terminer
        [back] Heureux de vous garder
        [trial] Votre essai est annulé
       *[over] Votre formule est terminée
    }
    .body = { $outcome ->
        [ahead]
            La formule { $plan } de Tenantry { $product } est résiliée et se termine le { $date }. D’ici là, vous en disposez entièrement.

            Vous pouvez revenir sur cette décision d’un clic tant qu’elle n’est pas terminée.
        [back]
            La formule { $plan } de Tenantry { $product } continue ; sa résiliation est annulée.

            Vous n’avez rien à faire.
        [trial]
            Votre essai de Tenantry { $product } est annulé, et rien n’est facturé. Ce que vous avez construit est désactivé.

            Vos données sont conservées jusqu’au { $date }. Choisissez une formule d’ici là, et tout revient.
       *[over]
            La formule { $plan } de Tenantry { $product } s’est terminée le { $date }, et plus rien n’est facturé.

            Vos données sont conservées pendant quelque temps. Choisissez de nouveau une formule, et vous les retrouverez.
    }
    .button = Voir mes formules
    .note = Vous recevez ce courriel parce que l’organisation concernée vous appartient.
